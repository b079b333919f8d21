<?php

namespace Postern\Laravel;

use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

/** Registers the disk driver `postern`, and `Route::redirectToFile()`. */
class PosternServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        $this->mergeConfigFrom(__DIR__.'/../config/postern.php', 'postern');
        $this->app->singleton(Tokens::class, fn ($app) => new Tokens($app['config']['postern']));
        Route::macro('redirectToFile', [RedirectToFile::class, 'route']);
        $this->callAfterResolving('filesystem', fn ($manager) => $manager->extend('postern', function ($app, array $config) use ($manager) {
            $disk = match (true) {
                ! isset($config['disk']) => $manager->createLocalDriver($config),
                ! isset($config['prefix']) => $manager->disk($config['disk']),
                // A scoped disk over this one. Older versions of Laravel would drop the prefix of the other disk.
                default => $manager->build([
                    ...$other = config("filesystems.disks.{$config['disk']}", []),
                    'prefix' => trim(preg_replace('#/+#', '/', ($other['prefix'] ?? '').'/'.$config['prefix']), '/'),
                ]),
            };

            return new PosternAdapter($disk, $config, $app->make(Tokens::class));
        }));
        $this->publishes([__DIR__.'/../config/postern.php' => config_path('postern.php')], 'postern-config');
        $this->commands([IssuerCommand::class]);
    }
}
