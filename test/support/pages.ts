import type { RequestListener } from 'node:http';
import { pageAnswer, send } from '../../service/gate/answer.ts';
import { createPages } from '../../service/pages/pages.ts';

/** A gate that writes the pages as Postern does, and leaves all other requests to `gate`. */
export function withPages(gate: RequestListener, now?: () => number): RequestListener {
  const pageFor = createPages({}, now);
  return (request, response) =>
    request.url === '/page'
      ? send(response, pageAnswer(pageFor(request.headers)))
      : gate(request, response);
}
