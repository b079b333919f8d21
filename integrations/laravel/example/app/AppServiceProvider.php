<?php

namespace App;

use Illuminate\Auth\GenericUser;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

class AppServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        // This example accepts each name without a password. An application must not.
        Auth::viaRequest('name', fn (Request $request) => $request->getUser() === null
            ? null
            : new GenericUser(['id' => $request->getUser()]));

        Route::middleware(AskForName::class)->group(base_path('routes/web.php'));
    }
}
