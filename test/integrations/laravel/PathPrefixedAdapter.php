<?php

namespace League\Flysystem\PathPrefixing;

use League\Flysystem\Config;
use League\Flysystem\DecoratedAdapter;
use League\Flysystem\FilesystemAdapter;
use League\Flysystem\PathPrefixer;

/** What the tests call of league/flysystem-path-prefixing. Laravel needs it for scoped disks, and Debian does not have it. */
class PathPrefixedAdapter extends DecoratedAdapter
{
    private PathPrefixer $prefixer;

    public function __construct(FilesystemAdapter $adapter, string $prefix)
    {
        parent::__construct($adapter);
        $this->prefixer = new PathPrefixer($prefix);
    }

    public function fileExists(string $path): bool
    {
        return parent::fileExists($this->prefixer->prefixPath($path));
    }

    public function directoryExists(string $path): bool
    {
        return parent::directoryExists($this->prefixer->prefixPath($path));
    }

    public function read(string $path): string
    {
        return parent::read($this->prefixer->prefixPath($path));
    }

    public function write(string $path, string $contents, Config $config): void
    {
        parent::write($this->prefixer->prefixPath($path), $contents, $config);
    }

    public function listContents(string $path, bool $deep): iterable
    {
        foreach (parent::listContents($this->prefixer->prefixPath($path), $deep) as $found) {
            yield $found->withPath($this->prefixer->stripPrefix($found->path()));
        }
    }
}
