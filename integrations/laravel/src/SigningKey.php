<?php

namespace Postern\Laravel;

use RuntimeException;

/** A private key for ES256 or RS256, and its public half as a JWK. */
final class SigningKey
{
    /** @param  array<string, string>  $jwk */
    private function __construct(#[\SensitiveParameter] public readonly string $pem, public readonly array $jwk) {}

    public static function read(string $file): self
    {
        $pem = is_file($file) ? (string) file_get_contents($file) : '';
        $key = openssl_pkey_get_private($pem);
        ['ec' => $ec, 'rsa' => $rsa] = ($key === false ? [] : openssl_pkey_get_details($key)) + ['ec' => [], 'rsa' => []];
        // In the order of RFC 7638, because the key ID is a hash of these. OpenSSL drops leading zeros, which an EC key must have.
        $jwk = match (true) {
            $rsa !== [] => ['e' => self::base64url($rsa['e']), 'kty' => 'RSA', 'n' => self::base64url($rsa['n'])],
            ($ec['curve_name'] ?? '') === 'prime256v1' => ['crv' => 'P-256', 'kty' => 'EC', ...array_map(
                fn (string $bytes) => self::base64url(str_pad($bytes, 32, "\0", STR_PAD_LEFT)), ['x' => $ec['x'], 'y' => $ec['y']],
            )],
            default => throw new RuntimeException(
                "postern.key_file: expected a private P-256 or RSA key in PEM at [{$file}]. ".
                "Create one: openssl ecparam -name prime256v1 -genkey -noout -out {$file}"
            ),
        };
        $kid = self::base64url(hash('sha256', (string) json_encode($jwk), true));

        return new self($pem, [...$jwk, 'kid' => $kid, 'alg' => $rsa !== [] ? 'RS256' : 'ES256', 'use' => 'sig']);
    }

    public static function base64url(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }
}
