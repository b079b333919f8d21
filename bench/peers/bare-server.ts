// The minimum that a Node.js service can do for nginx: one fixed response. A separate program.
import { createServer } from 'node:http';

const [port, target = ''] = process.argv.slice(2);
const headers = ['Postern-Target', target];

createServer({ keepAliveTimeout: 75_000 }, (_request, response) => {
  response.writeHead(204, headers).end();
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
