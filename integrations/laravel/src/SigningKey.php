<?php

namespace Postern\Laravel;

use RuntimeException;

/** A private P-256 key, and its public half as a JWK. */
final class SigningKey
{
    /** @param  array<string, string>  $jwk */
    private function __construct(
        #[\SensitiveParameter] public readonly string $pem,
        public readonly array $jwk,
    ) {
    }

    public static function read(string $file): self
    {
        $pem = is_file($file) ? (string) file_get_contents($file) : '';
        $key = openssl_pkey_get_private($pem);
        $ec = $key === false ? [] : openssl_pkey_get_details($key)['ec'] ?? [];
        if (($ec['curve_name'] ?? '') !== 'prime256v1') {
            throw new RuntimeException(
                "postern.key_file: expected a private P-256 key in PEM at [{$file}]. ".
                "Create one: openssl ecparam -name prime256v1 -genkey -noout -out {$file}"
            );
        }
        // In the order of RFC 7638, because the key ID is a hash of these four.
        $jwk = ['crv' => 'P-256', 'kty' => 'EC', 'x' => self::coordinate($ec['x']), 'y' => self::coordinate($ec['y'])];
        $kid = self::base64url(hash('sha256', (string) json_encode($jwk), true));

        return new self($pem, [...$jwk, 'kid' => $kid, 'alg' => 'ES256', 'use' => 'sig']);
    }

    /** OpenSSL drops leading zeros, which a JWK must have. */
    private static function coordinate(string $bytes): string
    {
        return self::base64url(str_pad($bytes, 32, "\0", STR_PAD_LEFT));
    }

    private static function base64url(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }
}
