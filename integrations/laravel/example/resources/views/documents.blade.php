<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Documents</title>
<h1>Documents of {{ auth()->id() }}</h1>
<ul>
@foreach ($documents as $document)
  <li id="document-{{ $document->id }}"><a href="{{ $document->url() }}">{{ $document->name }}</a>
    (<a href="/documents/{{ $document->id }}?once=1">for one requester</a>)</li>
@endforeach
</ul>
<form action="/documents" method="post" enctype="multipart/form-data">
  <input type="file" name="file" required>
  <input name="name" placeholder="Name of the download">
  <button>Upload</button>
</form>
