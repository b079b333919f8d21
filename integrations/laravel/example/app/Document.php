<?php

namespace App;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Facades\Storage;

class Document extends Model
{
    protected $guarded = [];

    /** A link for five minutes, or for one requester with `max_uses`. */
    public function url(array $options = []): string
    {
        return Storage::disk('private')->temporaryUrl(
            $this->file, now()->addMinutes(5), ['filename' => $this->name, ...$options],
        );
    }
}
