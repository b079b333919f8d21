<?php

// urls.php <folder of the application> <calls>: prints the result of each call of temporaryUrl() as JSON: the URL,
// or the message of the exception. A call is
// {method, disk, path (Base64), seconds, options}; only the path is required.

use Illuminate\Support\Facades\Storage;

[, $folder, $calls] = $argv;
require "{$folder}/vendor/autoload.php";
$app = require "{$folder}/bootstrap/app.php";
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
// Laravel makes the disk itself with league/flysystem-path-prefixing, which Debian does not have.
$private = Storage::disk('private');
Storage::set('scoped', new Postern\Laravel\PosternAdapter(
    $private, [...$private->getConfig(), 'prefix' => 'users/ada'], app(Postern\Laravel\Tokens::class),
));

echo json_encode(array_map(function (array $call) {
    try {
        $disk = Storage::disk($call['disk'] ?? 'private');
        $arguments = [base64_decode($call['path']), now()->addSeconds($call['seconds'] ?? 60), $call['options'] ?? []];

        return ['url' => $disk->{$call['method'] ?? 'temporaryUrl'}(...$arguments)];
    } catch (Throwable $error) {
        return ['error' => $error->getMessage()];
    }
}, json_decode($calls, true)), JSON_INVALID_UTF8_SUBSTITUTE);
