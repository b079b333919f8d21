<?php

namespace Postern\Laravel;

use Illuminate\Support\ServiceProvider;

/** Registers the disk driver `postern`. */
class PosternServiceProvider extends ServiceProvider
{
    public function register(): void
    {
        $this->mergeConfigFrom(__DIR__.'/../config/postern.php', 'postern');
        $this->app->singleton(Tokens::class, fn ($app) => new Tokens($app['config']['postern']));
    }

    public function boot(): void
    {
        $this->callAfterResolving('filesystem', fn ($manager) => $manager->extend(
            'postern',
            fn ($app, array $config) => new PosternAdapter(
                isset($config['disk']) ? $manager->disk($config['disk']) : $manager->createLocalDriver($config),
                $config,
                $app->make(Tokens::class),
            ),
        ));

        $this->publishes([__DIR__.'/../config/postern.php' => config_path('postern.php')], 'postern-config');
        $this->commands([IssuerCommand::class]);
    }
}
