<?php

return [
    'default' => 'sqlite',
    'connections' => [
        'sqlite' => ['driver' => 'sqlite', 'database' => storage_path('documents.sqlite')],
    ],
    'migrations' => 'migrations',
];
