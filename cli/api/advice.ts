/** What to do about an answer of the API, by its code. */
export const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    'The service does not know this API key: compare POSTERN_API_KEY or --key-file with its POSTERN_API_KEYS.',
  invalid_request: 'Correct the command line or the input line.',
  insufficient_scope:
    'The API key does not allow this: see `paths`, `targets` and the maxima of its entry in the configuration.',
  not_found:
    'This client has no live token with that ID: it has expired, was revoked, or another API key issued it. Or the URL is that of the gate instead of the API.',
  content_too_large: 'Request fewer tokens at once.',
  unavailable:
    'The store, or the key server of an issuer, does not answer: see /readyz and the log of the service.',
  internal_error: 'See the log of the service.',
};
