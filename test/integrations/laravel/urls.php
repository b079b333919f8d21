<?php

// urls.php <folder of the application> <calls>: prints the result of each call of a disk as JSON: `url`, or the message
// of the exception, whether its trace shows the API key, and how many lines were logged. A call is {disk, method,
// arguments}, or for temporaryUrl() {disk, now, path (Base64), seconds, options}. `config` changes the disk `private`.

use Illuminate\Support\Facades\Date;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Storage;

[, $folder, $calls] = $argv;
require "{$folder}/vendor/autoload.php";
$app = require "{$folder}/bootstrap/app.php";
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
require __DIR__.'/PathPrefixedAdapter.php';

$root = config('filesystems.disks.private.root');
config(['filesystems.disks' => [
    ...config('filesystems.disks'),
    'scoped' => ['driver' => 'scoped', 'disk' => 'private', 'prefix' => 'users/ada'],
    'other' => ['driver' => 'postern', 'disk' => 'inner', 'mount' => '/download/'],
    'inner' => ['driver' => 'local', 'root' => dirname($root), 'prefix' => basename($root)],
    'tenant' => ['driver' => 'scoped', 'disk' => 'other', 'prefix' => 'users/ada'],
    'locked' => ['driver' => 'postern', 'disk' => 'inner', 'mount' => '/download/', 'read-only' => true],
]]);
// As without a php.ini: a trace has the arguments, which tools that report errors show.
ini_set('zend.exception_ignore_args', '0');

/** Whether the API key is in an argument of the trace of an exception, or of those before it. */
function showsKey(?Throwable $error): bool
{
    $found = false;
    $trace = $error?->getTrace() ?? [];
    array_walk_recursive($trace, function ($value) use (&$found) {
        $found = $found || (is_string($value) && str_contains($value, config('postern.api_key')));
    });

    return $found || ($error !== null && showsKey($error->getPrevious()));
}

config([
    'logging.default' => 'none', 'logging.channels.none' => ['driver' => 'monolog', 'handler' => Monolog\Handler\NullHandler::class],
]);
$logged = 0;
Log::listen(function ($entry) use (&$logged) {
    // PHP 8.4 deprecates syntax of older libraries.
    $logged += str_contains($entry->message, 'deprecated') ? 0 : 1;
});

echo json_encode(array_map(function (array $call) use (&$logged) {
    $logged = 0;
    if (isset($call['config'])) {
        config(['filesystems.disks.private' => [...config('filesystems.disks.private'), ...$call['config']]]);
        Storage::forgetDisk('private');
    }
    try {
        Date::setTestNow(isset($call['now']) ? Date::createFromTimestamp($call['now']) : null);
        $disk = Storage::disk($call['disk'] ?? 'private');
        $options = $call['options'] ?? [];
        if (isset($options['since'])) {
            $options['since'] = Date::createFromTimestamp($options['since']);
        }
        $arguments = $call['arguments']
            ?? [base64_decode($call['path']), now()->addSeconds($call['seconds'] ?? 60), $options];

        return ['url' => $disk->{$call['method'] ?? 'temporaryUrl'}(...$arguments), 'logged' => $logged];
    } catch (Throwable $error) {
        return ['error' => $error->getMessage(), 'showsKey' => showsKey($error)];
    }
}, json_decode($calls, true)), JSON_INVALID_UTF8_SUBSTITUTE);
