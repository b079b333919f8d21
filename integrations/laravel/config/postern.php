<?php

return [

    // Where nginx serves the files, without a slash at the end.
    'url' => env('POSTERN_URL'),

    // "signed": this application signs each token, and a link costs no request.
    // "issued": Postern's API issues each token, so that you can list it.
    'tokens' => env('POSTERN_TOKENS', 'signed'),

    // For "signed": the names of this application and of Postern in the token, as `php artisan postern:issuer`
    // prints them for postern.yaml, and a private P-256 key in PEM.
    'issuer' => env('POSTERN_ISSUER', env('APP_URL')),
    'audience' => env('POSTERN_AUDIENCE', env('POSTERN_URL')),
    'key_file' => env('POSTERN_KEY_FILE', storage_path('postern.key')),

    // For "issued", and to revoke tokens: Postern's API, and one of its API keys.
    'api' => env('POSTERN_API', 'http://127.0.0.1:7301'),
    'api_key' => env('POSTERN_API_KEY'),

];
