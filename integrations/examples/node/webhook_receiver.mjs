// A receiver of Postern's events, with the package standardwebhooks. In place of `seen`, use a table of your database.
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set();
createServer(async (request, response) => {
  try {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) {
      body += chunk;
      if (body.length > 65_536) throw new Error('too large');
    }
    const { type, data } = webhook.verify(body, request.headers);
    if (!seen.has(request.headers['webhook-id'])) console.log(type, data.token_id);
    seen.add(request.headers['webhook-id']);
    response.writeHead(204).end();
  } catch {
    response.writeHead(401).end();
  }
}).listen(Number(process.env.PORT));
