<?php

return [
    'name' => 'Documents',
    'env' => 'local',
    'url' => env('APP_URL', 'http://localhost'),
    'timezone' => 'UTC',
    'key' => env('APP_KEY'),
    'cipher' => 'AES-256-CBC',
    'providers' => Illuminate\Support\ServiceProvider::defaultProviders()
        ->merge([App\AppServiceProvider::class])
        ->toArray(),
];
