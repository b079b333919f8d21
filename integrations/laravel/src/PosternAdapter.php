<?php

namespace Postern\Laravel;

use Illuminate\Filesystem\FilesystemAdapter;
use Illuminate\Http\Client\HttpClientException;
use Illuminate\Http\Client\RequestException;
use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Date;
use Illuminate\Support\Facades\Log;
use InvalidArgumentException;
use League\Flysystem\FilesystemException;
use League\Flysystem\WhitespacePathNormalizer;

/** Another disk. nginx serves its files at temporary URLs with Postern's tokens. */
class PosternAdapter extends FilesystemAdapter
{
    /** The fields of a token that a disk or a call may set. Any other option is an error, as in Postern. */
    private const OPTIONS = [
        'filename', 'disposition', 'subject', 'max_uses', 'resume_for', 'bind', 'confirm', 'ip', 'limit_rate', 'size', 'sender', ...Tokens::CACHE,
    ];

    /** Until when `closed_if_down` does not ask again. */
    private int $downUntil = 0;

    /** @param  array<string, mixed>  $config  of the disk */
    public function __construct(FilesystemAdapter $disk, array $config, private readonly Tokens $tokens)
    {
        parent::__construct($disk->getDriver(), $disk->getAdapter(), $config);
        $mount = $config['mount'] ?? '';
        throw_unless(preg_match('#^/([^/]+/)*$#D', $mount), InvalidArgumentException::class, "mount: expected a public prefix of Postern such as /download/, got [{$mount}]");
        $permanent = $config['permanent'] ?? '/';
        throw_unless(preg_match('~^(https?://[^/?#\s]+)?/([^/?#\s][^?#\s]*/)?$~D', $permanent), InvalidArgumentException::class, "permanent: expected the prefix of Route::redirectToFile(), such as /files/, got [{$permanent}]");
    }

    /**
     * With `permanent`, the address of the route that checks each request. Otherwise the URL without a token, for models
     * that list their URL: it opens no file, and Postern's page says why.
     *
     * @param  string  $path
     */
    public function url($path)
    {
        try {
            $public = $this->publicPath($path);

            return isset($this->config['permanent'])
                ? $this->config['permanent'].Tokens::encode(substr($public, strlen($this->config['mount'])))
                : $this->tokens->address($public);
        } catch (InvalidArgumentException|FilesystemException) {
            // nginx would decode "..%2F", and leave the mount.
            return $this->tokens->address($this->config['mount']).rawurlencode(preg_replace('#[/.]+#', '_', $path));
        }
    }

    /**
     * Ends all links of a subject, such as a user ID.
     *
     * @return array{revoked: int, signed_before?: int}  signed links end that have an `iat` before `signed_before`
     */
    public function revokeSubject(string|int $subject): array
    {
        return $this->tokens->revokeSubject((string) $subject);
    }

    public function providesTemporaryUrls()
    {
        return true;
    }

    /**
     * @param  string  $path
     * @param  \DateTimeInterface  $expiration  until when a new requester may start
     * @param  array<string, mixed>  $options  fields of the token, such as `filename` and `max_uses`
     */
    public function temporaryUrl($path, $expiration, array $options = [])
    {
        // Rounded, because the application has read the clock a moment ago.
        $expiresIn = (int) round((float) $expiration->format('U.u') - (float) Date::now()->format('U.u'));
        throw_if($expiresIn < 1, InvalidArgumentException::class, "expiration: expected a time in the future, got {$expiration->format('c')}");
        $closed = fn () => $this->tokens->address($this->publicPath($path));
        if ($this->downUntil > time()) {
            return $closed();
        }
        try {
            return $this->link($path, $expiresIn, $options);
        } catch (HttpClientException $error) {
            throw_unless($this->config['closed_if_down'] ?? false, $error);
            // While Postern hangs, a page with many links must wait for it only once.
            if (! $error instanceof RequestException || $error->response->serverError()) {
                $this->downUntil = time() + Tokens::TIMEOUT_SECONDS;
            }
            Log::error("Postern issued no token: {$error->getMessage()}");

            return $closed();
        }
    }

    /**
     * A link with a token, also with `closed_if_down`.
     *
     * @param  array<string, mixed>  $options
     *
     * @throws HttpClientException  if Postern does not issue it
     */
    public function link(string $path, int $expiresIn, array $options = []): string
    {
        return $this->tokens->url(['path' => $this->publicPath($path), ...$this->fields($options)], $expiresIn);
    }

    /** The file of this disk with this name below the mount. It changes nothing in the name. */
    public function fileOf(string $name): ?string
    {
        $folder = ltrim(trim($this->config['prefix'] ?? '', '/').'/', '/');
        $file = substr($name, strlen($folder));
        try {
            return $this->publicPath($file) === $this->config['mount'].$name ? $file : null;
        } catch (InvalidArgumentException|FilesystemException) {
            return null;
        }
    }

    /** Whether Postern accepts this name to save a file. It counts as JavaScript does. */
    public static function isFilename(string $name): bool
    {
        $units = preg_match('#^[^/\\\\\p{Cc}]+$#uD', $name) ? strlen(mb_convert_encoding($name, 'UTF-16BE', 'UTF-8')) / 2 : 0;

        return $units >= 1 && $units <= 255;
    }

    /** The path that nginx and Postern see: of the same file that this disk reads. */
    private function publicPath(string $path): string
    {
        $normalizer = new WhitespacePathNormalizer;
        // Flysystem adds the prefix of a scoped disk after it has resolved "..", so that no name leaves it.
        $file = $normalizer->normalizePath($path);
        $folder = $normalizer->normalizePath($this->config['prefix'] ?? '');
        $public = $this->config['mount'].ltrim("{$folder}/{$file}", '/');
        $problem = match (true) {
            $file === '' => 'names a folder',
            ! mb_check_encoding($public, 'UTF-8') => 'is not valid UTF-8',
            str_ends_with($public, ' ') => 'ends in a space, which HTTP would drop',
            strlen($public) > 2048 => 'is longer than 2048 bytes',
            default => null,
        };

        return $problem === null ? $public : throw new InvalidArgumentException("A URL for [{$path}] is not possible: the name {$problem}.");
    }

    /**
     * The fields of the token: those of the call, then those of the disk.
     *
     * @param  array<string, mixed>  $options
     * @return array<string, mixed>
     */
    private function fields(array $options): array
    {
        $fields = [...$this->config['options'] ?? [], ...$options];
        $unknown = implode(', ', array_diff(array_keys($fields), self::OPTIONS));
        throw_if($unknown !== '', InvalidArgumentException::class, "Postern: unknown option [{$unknown}]. Known: ".implode(', ', self::OPTIONS));
        $name = $fields['filename'] ?? 'none';
        // Postern rejects a token with another filename, and a user would see it first.
        throw_unless(self::isFilename($name), InvalidArgumentException::class, "filename: expected 1 to 255 characters without / \\ and control characters, got [{$name}]");
        $subject = $fields['subject'] ?? Auth::id();
        $fields['subject'] = $subject === null ? null : (string) $subject;
        $fields['site'] = $this->config['site'] ?? null;

        return array_filter($fields, fn ($value) => $value !== null);
    }
}
