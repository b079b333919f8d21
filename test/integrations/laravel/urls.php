<?php

// urls.php <folder of the application> <calls>: prints the result of each call of a disk as JSON: `url`, or the message
// of the exception. A call is {disk, method, arguments}, or for temporaryUrl() {disk, now, path (Base64), seconds, options}.

use Illuminate\Support\Facades\Date;
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

config(['filesystems.disks.other' => ['driver' => 'postern', 'disk' => 'inner', 'mount' => '/download/']]);
config(['filesystems.disks.inner' => ['driver' => 'local', 'root' => $private->getConfig()['root']]]);

echo json_encode(array_map(function (array $call) {
    try {
        Date::setTestNow(isset($call['now']) ? Date::createFromTimestamp($call['now']) : null);
        $disk = Storage::disk($call['disk'] ?? 'private');
        $options = $call['options'] ?? [];
        if (isset($options['since'])) {
            $options['since'] = Date::createFromTimestamp($options['since']);
        }
        $arguments = $call['arguments']
            ?? [base64_decode($call['path']), now()->addSeconds($call['seconds'] ?? 60), $options];

        return ['url' => $disk->{$call['method'] ?? 'temporaryUrl'}(...$arguments)];
    } catch (Throwable $error) {
        return ['error' => $error->getMessage()];
    }
}, json_decode($calls, true)), JSON_INVALID_UTF8_SUBSTITUTE);
