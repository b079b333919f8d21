<?php

namespace Postern\Laravel;

use DateTimeImmutable;
use Illuminate\Http\Client\PendingRequest;
use Illuminate\Support\Facades\Date;
use Illuminate\Support\Facades\Http;
use InvalidArgumentException;
use Lcobucci\JWT\Configuration;
use Lcobucci\JWT\Encoding\ChainedFormatter;
use Lcobucci\JWT\Signer\Ecdsa\Sha256;
use Lcobucci\JWT\Signer\Key\InMemory;

/** Makes URLs with tokens: signed by this application, or issued by Postern. */
final class Tokens
{
    private ?SigningKey $key = null;

    /** @param  array<string, mixed>  $config  config/postern.php */
    public function __construct(#[\SensitiveParameter] private readonly array $config)
    {
    }

    /**
     * The URL of a file with a new token.
     *
     * @param  array<string, mixed>  $grant  fields of `POST /tokens`; `path` is not percent-encoded
     * @param  positive-int  $expiresIn  seconds in which a new requester may start
     */
    public function url(array $grant, int $expiresIn): string
    {
        return match ($this->config['tokens']) {
            'signed' => "{$this->address($grant['path'])}?token={$this->sign($grant, $expiresIn)}",
            'issued' => $this->absolute($this->api()->post('/tokens', [...$grant, 'expires_in' => $expiresIn])->throw()->json('url')),
            default => throw new InvalidArgumentException("postern.tokens: expected signed or issued, got [{$this->config['tokens']}]"),
        };
    }

    /** The URL of a path without a token. */
    public function address(string $path): string
    {
        return $this->absolute(implode('/', array_map(rawurlencode(...), explode('/', $path))));
    }

    /** @return array{revoked: int, signed_before?: int} */
    public function revokeSubject(string $subject): array
    {
        return $this->api()->delete('/tokens?'.http_build_query(['subject' => $subject]))->throw()->json();
    }

    public function key(): SigningKey
    {
        return $this->key ??= SigningKey::read($this->config['key_file']);
    }

    private function absolute(string $url): string
    {
        // With POSTERN_PUBLIC_URL, the API adds the origin.
        return str_starts_with($url, '/') ? rtrim((string) $this->config['url'], '/').$url : $url;
    }

    private function api(): PendingRequest
    {
        // A redirect, or a proxy of the environment, would get the key.
        return Http::baseUrl($this->config['api'])
            ->withToken($this->config['api_key'])
            ->withoutRedirecting()
            ->withOptions(['proxy' => ''])
            ->timeout(5);
    }

    /** @param  array<string, mixed>  $grant */
    private function sign(array $grant, int $expiresIn): string
    {
        $now = Date::now()->getTimestamp();
        $resumeFor = $grant['resume_for'] ?? 0;
        $at = fn (int $seconds) => new DateTimeImmutable("@{$seconds}");

        $key = InMemory::plainText($this->key()->pem);
        $jwt = Configuration::forAsymmetricSigner(new Sha256, $key, $key);
        $token = $jwt->builder(ChainedFormatter::withUnixTimestampDates())
            // Without this type, any JWT that this key signs for the same audience would be a download token.
            ->withHeader('typ', 'postern+jwt')
            ->withHeader('kid', $this->key()->jwk['kid'])
            ->issuedBy($this->config['issuer'])
            ->permittedFor($this->config['audience'])
            ->identifiedBy(bin2hex(random_bytes(16)))
            ->issuedAt($at($now))
            ->expiresAt($at($now + $expiresIn + $resumeFor));
        if (isset($grant['subject'])) {
            $token = $token->relatedTo($grant['subject']);
        }
        // Until when a new requester can start. The others can resume until the token expires.
        $claims = [...$grant, 'start_by' => $resumeFor > 0 ? $now + $expiresIn : null, 'subject' => null];
        foreach (array_filter($claims, fn ($value) => $value !== null) as $name => $value) {
            $token = $token->withClaim($name, $value);
        }

        return $token->getToken($jwt->signer(), $jwt->signingKey())->toString();
    }
}
