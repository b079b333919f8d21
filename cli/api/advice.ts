/** What to do about an answer of the API, by its code. */
export const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    'The service does not know this API key: compare POSTERN_API_KEY or --key-file with its POSTERN_API_KEYS.',
  invalid_request: 'The command line, or the line that was read, has to be changed.',
  insufficient_scope:
    'This client may not do that: `paths`, `targets` and the maxima of its entry in the configuration say what it may.',
  not_found:
    'No live token of this client has that id: it has ended, was revoked, or another key issued it. Or this is the address of the gate, not of the API.',
  content_too_large: 'Ask for fewer at once.',
  unavailable:
    'The store, or an issuer of keys, does not answer the service: see /readyz and its log.',
  internal_error: "The service's log says more.",
};
