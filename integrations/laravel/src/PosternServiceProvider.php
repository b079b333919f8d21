<?php

namespace Postern\Laravel;

use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;
use InvalidArgumentException;

/** Registers the disk driver `postern`, and `Route::redirectToFile()`. */
class PosternServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->mergeConfigFrom(__DIR__.'/../config/postern.php', 'postern');
        $this->app->singleton(Tokens::class, fn ($app) => new Tokens($app['config']['postern']));
        Route::macro('redirectToFile', [RedirectToFile::class, 'route']);
    }

    public function boot(): void
    {
        $this->callAfterResolving('filesystem', fn ($manager) => $manager->extend(
            'postern',
            fn ($app, array $config) => new PosternAdapter(match (true) {
                ! isset($config['disk']) => $manager->createLocalDriver($config),
                isset($config['read-only']) => throw new InvalidArgumentException("read-only: set it on the disk [{$config['disk']}]"),
                ! isset($config['prefix']) => $manager->disk($config['disk']),
                // A scoped disk over this one. Older versions of Laravel would drop the prefix of the other disk.
                default => $manager->build([
                    ...$disk = config("filesystems.disks.{$config['disk']}", []),
                    'prefix' => trim(preg_replace('#/+#', '/', ($disk['prefix'] ?? '').'/'.$config['prefix']), '/'),
                ]),
            }, $config, $app->make(Tokens::class)),
        ));

        $this->publishes([__DIR__.'/../config/postern.php' => config_path('postern.php')], 'postern-config');
        $this->commands([IssuerCommand::class]);
    }
}
