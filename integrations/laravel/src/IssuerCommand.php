<?php

namespace Postern\Laravel;

use Illuminate\Console\Command;

class IssuerCommand extends Command
{
    protected $signature = 'postern:issuer {--jwks : Print only the public key, for `jwks_file`}';

    protected $description = "Print this application's public key, and its entry for `issuers` in postern.yaml";

    public function handle(Tokens $tokens): void
    {
        $jwks = $this->json(['keys' => [$tokens->key()->jwk]]);
        $paths = collect(config('filesystems.disks'))->where('driver', 'postern')
            ->map(fn (array $disk) => (isset($disk['site']) ? "{$disk['site']}:" : '').$disk['mount'])
            ->unique()->values()->all();
        $this->line($this->option('jwks') ? $jwks : <<<YAML
            # /etc/postern/laravel.json
            {$jwks}

            # postern.yaml
            issuers:
              - id: laravel
                issuer: {$this->json(config('postern.issuer'))}
                audience: {$this->json(config('postern.audience'))}
                jwks_file: /etc/postern/laravel.json
                trusted_for: downloads
                algorithms: [{$tokens->key()->jwk['alg']}]
                paths: {$this->json($paths)}
                max_expires_in: 3600
                # The API key that may revoke these tokens.
                client: web
            YAML);
    }

    /** JSON is also YAML. */
    private function json(mixed $value): string
    {
        return json_encode($value, JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR);
    }
}
