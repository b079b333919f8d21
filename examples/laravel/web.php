<?php
// For routes/web.php. `read-file` is your gate, and config/services.php has the entry `postern` with `url` and `key`.
use Illuminate\Http\Request;
use Illuminate\Support\Facades\{Gate, Http, Route};

Route::get('/files/{name}', function (Request $request, string $name) {
    Gate::authorize('read-file', $name);
    // rescue() logs an error and returns null.
    $url = rescue(fn () => Http::withToken(config('services.postern.key'))
        ->withoutRedirecting()
        ->timeout(5)
        ->post(config('services.postern.url') . '/tokens', [
            'path' => "/download/$name",
            'subject' => (string) $request->user()->id,
        ])
        ->throw()
        ->json('url'));
    abort_if($url === null, 503, headers: ['Retry-After' => 5]);
    return redirect()->away($url, 303, [
        'Cache-Control' => 'no-store',
        'Referrer-Policy' => 'no-referrer',
    ]);
})->middleware('auth');
