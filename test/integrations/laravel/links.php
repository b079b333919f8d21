<?php

// links.php <folder of the application> <count>: milliseconds for so many links, and the number of different links.

use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Storage;
use Illuminate\Support\Facades\URL;

[, $folder, $count] = $argv;
require "{$folder}/vendor/autoload.php";
$app = require "{$folder}/bootstrap/app.php";
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
Route::get('/files/{name}', fn () => '')->name('files');
Route::getRoutes()->refreshNameLookups();

$disk = Storage::disk('private');
$public = Storage::build(['driver' => 'local', 'root' => storage_path('app/public'), 'url' => config('app.url').'/storage']);
$ways = [
    'url() of the driver local' => fn ($name) => $public->url($name),
    'temporarySignedRoute()' => fn ($name) => URL::temporarySignedRoute('files', now()->addMinutes(5), ['name' => $name]),
    'temporaryUrl() with '.config('postern.tokens').' tokens' => fn ($name) => $disk->temporaryUrl($name, now()->addMinutes(5)),
];
$figures = [];
foreach ($ways as $way => $link) {
    $link('warm-up.pdf');
    $began = hrtime(true);
    $links = array_map(fn ($n) => $link("invoice-{$n}.pdf"), range(1, $count));
    $figures[$way] = ['ms' => round((hrtime(true) - $began) / 1e6, 1), 'links' => count(array_unique($links))];
}
echo json_encode($figures);
