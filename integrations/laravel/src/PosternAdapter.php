<?php

namespace Postern\Laravel;

use Illuminate\Filesystem\FilesystemAdapter;
use Illuminate\Http\Client\HttpClientException;
use Illuminate\Support\Arr;
use InvalidArgumentException;
use League\Flysystem\WhitespacePathNormalizer;

/** Another disk. nginx serves its files at temporary URLs with Postern's tokens. */
class PosternAdapter extends FilesystemAdapter
{
    /** The fields of a token that a disk or a call may set. Any other option is an error, as in Postern. */
    private const OPTIONS = ['filename', 'disposition', 'subject', 'max_uses', 'resume_for', 'bind', 'confirm', 'ip', 'limit_rate', 'size', 'sender', ...Tokens::CACHE];

    private const KEYS = ['driver', 'mount', 'site', 'options', 'permanent', 'closed_if_down', 'disk', 'prefix', 'throw', 'report'];

    /** Laravel's keys of a disk with `root`. A disk with `disk` has these of the other one. */
    private const LOCAL_KEYS = ['root', 'visibility', 'directory_visibility', 'permissions', 'lock', 'links', 'read-only', 'serve', 'url'];

    /** Until when `closed_if_down` does not ask again. */
    private int $downUntil = 0;

    /** @param  array<string, mixed>  $config  of the disk */
    public function __construct(FilesystemAdapter $disk, array $config, private readonly Tokens $tokens)
    {
        parent::__construct($disk->getDriver(), $disk->getAdapter(), $config);
        self::rejectUnknown('key of the disk', $config, [...self::KEYS, ...isset($config['disk']) ? [] : self::LOCAL_KEYS]);
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
        // The address of a name that has no link opens nothing.
        $public = rescue(fn () => $this->publicPath($path), $this->config['mount'], report: false);

        return isset($this->config['permanent'])
            ? $this->config['permanent'].Tokens::encode(substr($public, strlen($this->config['mount'])))
            : $this->tokens->address($public);
    }

    /**
     * Ends all links of a subject, such as a user ID.
     *
     * @return array{revoked: int, signed_before?: int}  signed links end that have an `iat` before `signed_before`
     */
    public function revokeSubject(string|int $subject): array
    {
        return $this->tokens->call('DELETE', '/tokens?'.http_build_query(['subject' => (string) $subject]));
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
        $expiresIn = (int) round((float) $expiration->format('U.u') - (float) now()->format('U.u'));
        throw_if($expiresIn < 1, InvalidArgumentException::class, "expiration: expected a time in the future, got {$expiration->format('c')}");
        $public = $this->publicPath($path);
        $isClosedIfDown = Arr::pull($options, 'closed_if_down') ?? $this->config['closed_if_down'] ?? false;
        try {
            return $isClosedIfDown && $this->downUntil > time()
                ? $this->tokens->address($public)
                : $this->tokens->url(['path' => $public, ...$this->fields($options)], $expiresIn);
        } catch (HttpClientException $error) {
            throw_unless($isClosedIfDown, $error);
            // While Postern hangs, a page with many links must wait for it only once.
            $this->downUntil = ($error->response ?? null)?->clientError() ? 0 : time() + Tokens::TIMEOUT_SECONDS;
            logger()->error("Postern issued no token: {$error->getMessage()}");

            return $this->tokens->address($public);
        }
    }

    /** The file of this disk with this name below the mount. It changes nothing in the name. */
    public function fileOf(string $name): ?string
    {
        $folder = ltrim(trim($this->config['prefix'] ?? '', '/').'/', '/');
        $file = substr($name, strlen($folder));

        return rescue(fn () => $this->publicPath($file), report: false) === $this->config['mount'].$name ? $file : null;
    }

    /** The path that nginx and Postern see: of the same file that this disk reads. */
    private function publicPath(string $path): string
    {
        $normalizer = new WhitespacePathNormalizer;
        // Flysystem adds the prefix of a scoped disk after it has resolved "..", so that no name leaves it.
        $file = $normalizer->normalizePath($path);
        $folder = $normalizer->normalizePath($this->config['prefix'] ?? '');
        $public = $this->config['mount'].ltrim("{$folder}/{$file}", '/');
        // A link would open a file of that disk, which the rule of this one does not know.
        $isOfAnother = collect(config('filesystems.disks'))->where('driver', 'postern')->where('site', $this->config['site'] ?? null)
            ->contains(fn (array $disk) => strlen($disk['mount'] ?? '') > strlen($this->config['mount']) && str_starts_with($public, $disk['mount']));
        // HTTP would drop a space at the end.
        $isName = $file !== '' && ! $isOfAnother && mb_check_encoding($public, 'UTF-8') && ! str_ends_with($public, ' ') && strlen($public) <= 2048;
        throw_unless($isName, InvalidArgumentException::class, "A URL for [{$path}] is not possible: expected the name of a file in UTF-8, with at most 2048 bytes and no space at the end, outside the mounts of other disks.");

        return $public;
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
        self::rejectUnknown('option', $fields, self::OPTIONS);
        if (isset($fields['filename'])) {
            // Postern rejects a token with another filename, and a user would see it first. A character can take two of the 255 units.
            $fields['filename'] = preg_replace('#[/\\\\\p{Cc}]#u', '-', mb_substr(mb_scrub($fields['filename'], 'UTF-8'), -127, encoding: 'UTF-8')) ?: 'file';
        }
        $subject = $fields['subject'] ?? auth()->id();

        return Arr::whereNotNull([...$fields, 'subject' => $subject === null ? null : (string) $subject, 'site' => $this->config['site'] ?? null]);
    }

    /**
     * @param  array<string, mixed>  $given
     * @param  array<string>  $known
     */
    private static function rejectUnknown(string $kind, array $given, array $known): void
    {
        $unknown = implode(', ', array_diff(array_keys($given), $known));
        throw_if($unknown !== '', InvalidArgumentException::class, "Postern: unknown {$kind} [{$unknown}]. Known: ".implode(', ', $known));
    }
}
