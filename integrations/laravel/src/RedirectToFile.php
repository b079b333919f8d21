<?php

namespace Postern\Laravel;

use Closure;
use Illuminate\Auth\Access\AuthorizationException;
use Illuminate\Database\RecordsNotFoundException;
use Illuminate\Http\Client\HttpClientException;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Storage;
use Symfony\Component\HttpKernel\Exception\NotFoundHttpException;
use TypeError;

/** A route that checks the user at each click, and redirects to a fresh link. It is its own middleware. */
final class RedirectToFile
{
    /**
     * `Route::redirectToFile('/files/', fn (?User $user, string $name): bool => …)`
     *
     * @param  callable(?\Illuminate\Contracts\Auth\Authenticatable, string): bool  $mayRead
     * @param  ?string  $disk  default: the default disk
     * @param  ?string  $login  URL of the login page; default: the route `login`
     * @param  ?callable(string): string  $filename  the name to save
     * @param  mixed  ...$fields  of the token, such as `max_uses: 1`
     */
    public static function route(
        string $prefix, callable $mayRead, ?string $disk = null, ?string $login = null, bool $download = false, ?callable $filename = null, int $expiresIn = 600, mixed ...$fields,
    ): \Illuminate\Routing\Route {
        $fields += $download ? ['disposition' => 'attachment'] : [];

        return Route::get(rtrim($prefix, '/').'/{name}', static function (Request $request, string $name) use ($mayRead, $disk, $login, $filename, $expiresIn, $fields) {
            $files = Storage::disk($disk);
            // Laravel drops a slash at the end. A rule that allows a/../b must not open b.
            $file = str_ends_with($request->getPathInfo(), '/') ? null : $files->fileOf($name);
            abort_if($file === null, 404);
            try {
                $may = $mayRead($request->user(), $name);
            } catch (AuthorizationException|NotFoundHttpException|RecordsNotFoundException) {
                $may = false;
            }
            // An object that was not meant as an answer must not open a file.
            throw_unless(is_bool($may), TypeError::class, 'mayRead: expected true or false, got '.get_debug_type($may));
            if (! $may) {
                $login ??= Route::has('login') ? route('login') : null;
                abort_if($request->user() !== null || $login === null, 404);

                return redirect()->guest($login);
            }
            $fields += $filename === null ? [] : ['filename' => $filename($name)];
            try {
                return redirect()->away($files->temporaryUrl($file, now()->addSeconds($expiresIn), [...$fields, 'closed_if_down' => false]), 303);
            } catch (HttpClientException $error) {
                $errors = ($error->response ?? null)?->json('errors');
                // They say which mounts exist. Laravel cuts the message.
                logger()->error("Postern issued no token: {$error->getMessage()}", ['errors' => $errors]);
                abort_if(collect($errors)->contains('pointer', '#/path'), 404);

                return response('The file is not available.', 503, ['Retry-After' => '5']);
            }
        })->where('name', '.*')->middleware(self::class);
    }

    /** Everyone who has the link can open the file, so no cache and no other site may get it. Pages for errors have these headers, too. */
    public function handle(Request $request, Closure $next)
    {
        return tap($next($request), fn ($response) => $response->headers->add(['Cache-Control' => 'no-store', 'Referrer-Policy' => 'no-referrer']));
    }
}
