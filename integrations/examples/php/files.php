<?php
// Redirects a user to a file, as files.php?name=report.pdf. `may_read` in rules.php is your rule.
require 'rules.php';

session_start();
// Everyone who has the link can open the file, so no cache and no other site may get it.
header('Cache-Control: no-store');
header('Referrer-Policy: no-referrer');
$user = $_SESSION['user_id'] ?? null;
$name = $_GET['name'] ?? '';
if ($user === null) {
    header('Location: /login', true, 303);
    exit;
}
// JSON cannot carry other bytes.
if (!is_string($name) || !preg_match('//u', $name) || may_read($user, $name) !== true) {
    http_response_code(404);
    exit;
}
$answer = @file_get_contents(getenv('POSTERN_API') . '/tokens', false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => ['Authorization: Bearer ' . getenv('POSTERN_API_KEY'), 'Content-Type: application/json'],
    'content' => json_encode(['path' => "/download/$name", 'subject' => (string) $user]),
    'follow_location' => 0,
    'timeout' => 5,
    'ignore_errors' => true,
]]));
$url = json_decode((string) $answer)->url ?? null;
if ($url === null) {
    error_log('Postern issued no token: ' . ($answer ?: error_get_last()['message'] ?? ''));
    if (str_contains((string) $answer, '"#/path"')) {
        http_response_code(404);
        exit;
    }
    http_response_code(503);
    header('Retry-After: 5');
    exit;
}
header("Location: $url", true, 303);
