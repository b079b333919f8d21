// Redirects a user to a file, with the middleware of postern/client/hono. `mayRead` is your rule.
import { Hono } from 'hono';
import { getSignedCookie } from 'hono/cookie';
import { createClient } from 'postern/client';
import { redirectToFile } from 'postern/client/hono';
import { mayRead } from './rules.js';

const { POSTERN_API, POSTERN_API_KEY, SESSION_SECRET } = process.env;
const postern = createClient({ url: POSTERN_API, key: POSTERN_API_KEY });

const redirect = redirectToFile(postern, async (c) => {
  const user = await getSignedCookie(c, SESSION_SECRET, 'user');
  const name = c.req.param('name');
  return user && (await mayRead(user, name)) && { path: `/download/${name}`, subject: user };
});

export const app = new Hono();
app.get('/files/:name', redirect, (c) => c.redirect('/login', 303));
