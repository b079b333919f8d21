// Redirects a user to a file, with the middleware of postern/client/hono. `mayRead` is your rule.
import { Hono } from 'hono';
import { getSignedCookie } from 'hono/cookie';
import { createClient } from 'postern/client';
import { redirectToFile } from 'postern/client/hono';
import { mayRead } from './rules.js';

const { POSTERN_API, POSTERN_API_KEY, SESSION_SECRET } = process.env;
const postern = createClient({ url: POSTERN_API, key: POSTERN_API_KEY });
const userOf = async (c) => (await getSignedCookie(c, SESSION_SECRET, 'user')) || undefined;

const redirect = redirectToFile(postern, async (c) => {
  const user = await userOf(c);
  const name = c.req.param('name');
  const isAllowed = user !== undefined && (await mayRead(user, name)) === true;
  return isAllowed && { path: `/download/${name}`, subject: user };
});

export const app = new Hono();
app.use(async (c, next) => {
  await next();
  if (c.error) console.error(`Postern issued no token: ${c.error.message}`);
});
app.get('/files/:name', redirect, async (c) => {
  c.header('Cache-Control', 'no-store');
  c.header('Referrer-Policy', 'no-referrer');
  return (await userOf(c)) === undefined ? c.redirect('/login', 303) : c.notFound();
});
