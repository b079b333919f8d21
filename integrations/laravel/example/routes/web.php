<?php

use App\Document;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Route;

Route::get('/', fn () => view('documents', ['documents' => Document::where('owner', Auth::id())->get()]));

Route::post('/documents', function (Request $request) {
    $file = $request->file('file');
    $document = Document::create([
        'owner' => Auth::id(),
        'name' => $request->input('name') ?: $file->getClientOriginalName(),
        'file' => $file->storeAs(Auth::id(), $file->getClientOriginalName(), 'private'),
    ]);

    return redirect("/#document-{$document->id}");
});

// Permanent addresses, such as /files/ada/report.pdf. Each click is checked.
Route::redirectToFile('/files/', fn ($user, $name) => Document::where('owner', $user?->id)->where('file', $name)->exists());

// Checks the right to the file at each click. The link on the page works for everyone who has it.
Route::get('/documents/{id}', function (Request $request, int $id) {
    $document = Document::where('owner', Auth::id())->findOrFail($id);

    return redirect()->away($document->url($request->boolean('once') ? ['max_uses' => 1, 'bind' => 'cookie'] : []));
});
