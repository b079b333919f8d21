<?php

// redirect.php <folder of the application> <requests>: prints the response of each request to a route that checks the user. A
// request is {uri, method, user, rule, options, disk, debug}; `disk` is configuration of the disk `private`.

use Illuminate\Auth\Access\AuthorizationException;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Storage;

[, $folder, $requests] = $argv;
require "{$folder}/vendor/autoload.php";
$app = require "{$folder}/bootstrap/app.php";
require __DIR__.'/PathPrefixedAdapter.php';
$kernel = $app->make(Illuminate\Contracts\Http\Kernel::class);
$kernel->bootstrap();
config([
    'session.driver' => 'array',
    'logging.default' => 'none', 'logging.channels.none' => ['driver' => 'monolog', 'handler' => Monolog\Handler\NullHandler::class],
]);
Route::get('/login', fn () => 'login')->name('login');
Route::getRoutes()->refreshNameLookups();

$seen = [];
$logs = [];
Log::listen(function ($entry) use (&$logs) {
    // PHP 8.4 deprecates syntax of older libraries.
    $logs = [...$logs, ...str_contains($entry->message, 'deprecated') ? [] : [$entry->message.json_encode($entry->context)]];
});
$rules = [
    'yes' => fn () => true,
    'no' => fn () => false,
    'user' => fn ($user) => $user !== null,
    'null' => fn () => null,
    '1' => fn () => 1,
    'text' => fn () => 'yes',
    'object' => fn () => Auth::user(),
    'closure' => fn () => fn () => true,
    'raises' => fn () => intdiv(1, 0),
    'abort' => fn () => abort(404),
    'gate' => fn () => throw new AuthorizationException,
    'model' => fn () => throw new Illuminate\Database\Eloquent\ModelNotFoundException,
];
$private = config('filesystems.disks.private');

echo json_encode(array_map(function (array $one) use ($kernel, $rules, $private, &$seen, &$logs) {
    [$seen, $logs] = [[], []];
    config(['app.debug' => $one['debug'] ?? false, 'filesystems.disks.private' => [...$private, ...$one['disk'] ?? []]]);
    Storage::forgetDisk('private');
    $rule = function ($user, string $name) use ($rules, $one, &$seen) {
        $seen[] = $name;

        return $rules[$one['rule'] ?? 'yes']($user, $name);
    };
    $options = $one['options'] ?? [];
    if (isset($options['filename'])) {
        $options['filename'] = fn (string $name) => $one['options']['filename'];
    }
    Route::redirectToFile('/files/', $rule, ...$options);
    Auth::forgetGuards();
    $response = $kernel->handle(new Request(server: [
        'REQUEST_METHOD' => $one['method'] ?? 'GET', 'REQUEST_URI' => $one['uri'], 'HTTP_HOST' => 'shop.example',
        ...isset($one['user']) ? ['PHP_AUTH_USER' => $one['user'], 'PHP_AUTH_PW' => ''] : [],
    ]));

    return [
        'status' => $response->getStatusCode(),
        'location' => $response->headers->get('Location'),
        'cache' => $response->headers->get('Cache-Control'),
        'referrer' => $response->headers->get('Referrer-Policy'),
        'retry' => $response->headers->get('Retry-After'),
        'allow' => $response->headers->get('Allow'),
        'body' => $response->getContent(),
        'seen' => $seen,
        'logs' => $logs,
    ];
}, json_decode($requests, true)), JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);
