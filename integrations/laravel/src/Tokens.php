<?php

namespace Postern\Laravel;

use Illuminate\Http\Client\ConnectionException;
use Illuminate\Support\Arr;
use Illuminate\Support\Facades\Http;
use InvalidArgumentException;
use Lcobucci\JWT\Encoding\JoseEncoder;
use Lcobucci\JWT\Signer\Ecdsa;
use Lcobucci\JWT\Signer\Key\InMemory;
use Lcobucci\JWT\Signer\Rsa;
use Throwable;

/** Makes URLs with tokens: signed by this application, or issued by Postern. */
final class Tokens
{
    /** Options of links that stay equal. They are no fields of a token. */
    public const CACHE = ['cache_for', 'since'];

    public const TIMEOUT_SECONDS = 5;

    /** A revocation reaches so many seconds into the future: the longest POSTERN_JWT_LEEWAY, and two roundings. */
    private const REVOKED_AHEAD = 62;

    private string $pem = '';

    /** @var ?array<string, string> */
    private ?array $jwk = null;

    /** @param  array<string, mixed>  $config  config/postern.php */
    public function __construct(#[\SensitiveParameter] private readonly array $config) {}

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
            'issued' => $this->absolute($this->call('POST', '/tokens', [...Arr::except($grant, self::CACHE), 'expires_in' => $expiresIn])['url'] ?? throw new ConnectionException("the response is not from Postern's API: use the address of POSTERN_API_LISTEN")),
            default => throw new InvalidArgumentException("postern.tokens: expected signed or issued, got [{$this->config['tokens']}]"),
        };
    }

    /** The URL of a path without a token. */
    public function address(string $path): string
    {
        return $this->absolute(self::encode($path));
    }

    public static function encode(string $path): string
    {
        return implode('/', array_map(rawurlencode(...), explode('/', $path)));
    }

    /**
     * The public half of the key for ES256 or RS256.
     *
     * @return array<string, string>
     */
    public function jwk(): array
    {
        return $this->jwk ??= $this->readKey($this->config['key_file']);
    }

    /** @return array<string, string> */
    private function readKey(string $file): array
    {
        $this->pem = is_file($file) ? (string) file_get_contents($file) : '';
        $key = openssl_pkey_get_private($this->pem);
        $details = $key === false ? [] : openssl_pkey_get_details($key);
        $encode = (new JoseEncoder)->base64UrlEncode(...);
        // OpenSSL drops leading zeros, which an EC key must have.
        $coordinate = fn (string $name) => $encode(str_pad($details['ec'][$name], 32, "\0", STR_PAD_LEFT));
        // In the order of RFC 7638, because the key ID is a hash of these.
        $jwk = match (true) {
            isset($details['rsa']) => ['e' => $encode($details['rsa']['e']), 'kty' => 'RSA', 'n' => $encode($details['rsa']['n'])],
            ($details['ec']['curve_name'] ?? '') === 'prime256v1' => ['crv' => 'P-256', 'kty' => 'EC', 'x' => $coordinate('x'), 'y' => $coordinate('y')],
            default => throw new InvalidArgumentException("postern.key_file: expected a private P-256 or RSA key in PEM at [{$file}]. Create one: openssl ecparam -name prime256v1 -genkey -noout -out {$file}"),
        };

        return [...$jwk, 'kid' => $encode(hash('sha256', json_encode($jwk), true)), 'alg' => $jwk['kty'] === 'RSA' ? 'RS256' : 'ES256', 'use' => 'sig'];
    }

    private function absolute(string $url): string
    {
        // With POSTERN_PUBLIC_URL, the API adds the origin.
        return str_starts_with($url, '/') ? rtrim((string) $this->config['url'], '/').$url : $url;
    }

    /**
     * A call of Postern's API.
     *
     * @param  ?array<string, mixed>  $body
     * @return array<string, mixed>
     */
    public function call(string $method, string $path, ?array $body = null): array
    {
        throw_unless(preg_match('/^[\x21-\x7e]+$/D', $this->config['api_key'] ?? ''), InvalidArgumentException::class, 'postern.api_key: expected one API key in one line, to issue and to revoke tokens');
        try {
            // A redirect, or a proxy of the environment, would get the key.
            $response = Http::baseUrl($this->config['api'])->withToken($this->config['api_key'])
                ->withoutRedirecting()->withOptions(['proxy' => ''])->timeout(self::TIMEOUT_SECONDS)->send($method, $path, ['json' => $body]);
        } catch (Throwable $error) {
            // Without the previous exception, whose trace contains the key.
            throw new ConnectionException($error->getMessage());
        }

        return $response->throw()->json();
    }

    /** @param  array<string, mixed>  $grant */
    private function sign(array $grant, int $expiresIn): string
    {
        $now = now()->getTimestamp();
        $resumeFor = $grant['resume_for'] ?? 0;
        $claims = Arr::whereNotNull([
            ...Arr::except($grant, ['subject', ...self::CACHE]),
            'sub' => $grant['subject'] ?? null,
            'iss' => $this->config['issuer'],
            'aud' => $this->config['audience'],
            'iat' => $now,
            'exp' => $now + $expiresIn + $resumeFor,
            // Until when a new requester can start. The others can resume until the token expires.
            'start_by' => $resumeFor > 0 ? $now + $expiresIn : null,
        ]);
        $claims = $this->repeated($claims, $grant, $now, $expiresIn) ?? [...$claims, 'jti' => bin2hex(random_bytes(16))];
        // Without this type, any JWT that this key signs for the same audience would be a download token.
        $parts = [['typ' => 'postern+jwt', ...Arr::only($this->jwk(), ['alg', 'kid'])], $claims];
        $encoder = new JoseEncoder;
        $text = implode('.', array_map(fn (array $part) => $encoder->base64UrlEncode($encoder->jsonEncode($part)), $parts));
        $signature = ($this->jwk()['alg'] === 'RS256' ? new Rsa\Sha256 : new Ecdsa\Sha256)->sign($text, InMemory::plainText($this->pem));

        return "{$text}.{$encoder->base64UrlEncode($signature)}";
    }

    /**
     * The claims that make a token the same for `cache_for` seconds, so that browsers keep the file.
     *
     * @param  array<string, mixed>  $claims
     * @param  array<string, mixed>  $grant
     * @return ?array<string, mixed>
     */
    private function repeated(array $claims, array $grant, int $now, int $expiresIn): ?array
    {
        [$cacheFor, $since] = [$grant['cache_for'] ?? 0, $grant['since'] ?? null];
        // Equal tokens would share their uses. After a logout that revokes, only the last login separates new links of a
        // user from revoked ones.
        $isLimited = isset($claims['max_uses']) || isset($claims['start_by']) || ($claims['confirm'] ?? false);
        $first = isset($claims['sub']) ? $since?->getTimestamp() + self::REVOKED_AHEAD : 0;
        if ($cacheFor < 1 || $isLimited || $now < $first || (isset($claims['sub']) && $since === null)) {
            return null;
        }
        throw_if($this->jwk()['alg'] !== 'RS256', InvalidArgumentException::class, 'cache_for: expected an RSA key in postern.key_file, because ECDSA never repeats');
        $start = $now - $now % $cacheFor;
        $claims = [...$claims, 'iat' => max($start, $first), 'exp' => $start + $cacheFor + $expiresIn];
        ksort($claims);

        return [...$claims, 'jti' => substr(hash_hmac('sha256', json_encode($claims, JSON_THROW_ON_ERROR), $this->pem), 0, 32)];
    }
}
