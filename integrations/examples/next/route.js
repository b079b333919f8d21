// Redirects a user to a file, as app/files/[name]/route.js of Next.js. `userOf` reads your session, `mayRead` is your rule.
// Link to it with <a>: <Link> would request a token in advance.
import { createClient } from 'postern/client';
import { mayRead, userOf } from '../../../rules.js';

// `next build` loads this file without the environment of the server.
const postern = createClient({
  url: process.env.POSTERN_API ?? 'http://127.0.0.1:7301',
  key: () => process.env.POSTERN_API_KEY,
});

// Everyone who has the link can open the file, so no cache and no other site may get it.
const headers = { 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' };

export async function GET(request, { params }) {
  const { name } = await params;
  const user = await userOf(request);
  if (user === undefined) return redirect('/login');
  if ((await mayRead(user, name)) !== true) return answer(404);
  try {
    const { url } = await postern.issue({ path: `/download/${name}`, subject: String(user) });
    return redirect(url);
  } catch (error) {
    console.error(`Postern issued no token: ${error.message}`);
    if (error.errors?.some(({ pointer }) => pointer === '/path')) return answer(404);
    return answer(503, { 'Retry-After': '5' });
  }
}

const answer = (status, more) => new Response(null, { status, headers: { ...headers, ...more } });
const redirect = (url) => answer(303, { Location: url });
