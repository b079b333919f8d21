<?php

return [
    'default' => 'private',
    'disks' => [
        'private' => [
            'driver' => 'postern',
            'root' => env('EXAMPLE_FILES', storage_path('app/private')),
            'mount' => '/download/',
            'throw' => true,
        ],
    ],
];
