<?php

namespace App;

use Closure;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Auth;

class AskForName
{
    public function handle(Request $request, Closure $next)
    {
        return Auth::check()
            ? $next($request)
            : response('Type any name.', 401, ['WWW-Authenticate' => 'Basic realm="Example"']);
    }
}
