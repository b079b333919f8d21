import express from 'express';
import session from 'express-session';
import { createClient } from 'postern/client';
import { mayRead } from './rules.js';

const { POSTERN_API, POSTERN_API_KEY, SESSION_SECRET } = process.env;
const postern = createClient({ url: POSTERN_API, key: POSTERN_API_KEY });

export const app = express();
app.use(session({ secret: SESSION_SECRET, resave: false, saveUninitialized: false }));

// Everyone who has a link can open the file, so no cache and no other site may get it.
app.use(['/files', '/after-login'], (_request, response, next) => {
  response.set({ 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' });
  next();
});

app.get('/files/:name', async ({ session, params: { name } }, response) => {
  const { userId } = session;
  if (userId === undefined) return response.redirect(303, '/login');
  if ((await mayRead(userId, name)) !== true) return response.sendStatus(404);
  await redirectToFile(response, name, userId);
});

async function redirectToFile(response, name, userId) {
  try {
    const { url } = await postern.issue({ path: `/download/${name}`, subject: String(userId) });
    response.redirect(303, url);
  } catch (error) {
    console.error(`Postern issued no token: ${error.message}`);
    if (error.errors?.some(({ pointer }) => pointer === '/path')) return response.sendStatus(404);
    response.status(503).set('Retry-After', '5').send('The file is not available.');
  }
}

// The way back from a login page: /after-login?return=%2Fdownload%2Freport.pdf
app.get('/after-login', async ({ session, query }, response) => {
  const { userId } = session;
  if (userId === undefined) return response.redirect(303, '/login');
  const name = nameOf(query.return);
  if (name === undefined || (await mayRead(userId, name)) !== true) return response.sendStatus(404);
  await redirectToFile(response, name, userId);
});

function nameOf(address) {
  try {
    const { pathname } = new URL(address, 'http://localhost');
    return /^\/download\/(.+)$/.exec(decodeURIComponent(pathname))?.[1];
  } catch {
    return undefined; // not a URL
  }
}
