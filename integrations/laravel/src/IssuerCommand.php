<?php

namespace Postern\Laravel;

use Illuminate\Console\Command;
use Lcobucci\JWT\Encoding\JoseEncoder;

class IssuerCommand extends Command
{
    protected $signature = 'postern:issuer';

    protected $description = "Print this application's public key, and its entry for `issuers` in postern.yaml";

    public function handle(Tokens $tokens, JoseEncoder $encoder): void
    {
        // JSON is also YAML.
        $json = $encoder->jsonEncode(...);
        $disks = collect(config('filesystems.disks'))->where('driver', 'postern');
        $paths = $disks->map(fn (array $disk) => (isset($disk['site']) ? "{$disk['site']}:" : '').$disk['mount'])->unique()->values();
        $this->line(<<<YAML
            # /etc/postern/laravel.json
            {$json(['keys' => [$tokens->jwk()]])}

            # postern.yaml
            issuers:
              - id: laravel
                issuer: {$json(config('postern.issuer'))}
                audience: {$json(config('postern.audience'))}
                jwks_file: /etc/postern/laravel.json
                trusted_for: downloads
                algorithms: [{$tokens->jwk()['alg']}]
                paths: {$json($paths)}
                max_expires_in: 3600
                # The API key that may revoke these tokens.
                client: web
            YAML);
    }
}
