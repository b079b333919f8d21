// The minimum that a Node.js service can do for nginx: one fixed response. A separate program.
import { createServer } from 'node:http';

const [path, target = ''] = process.argv.slice(2);
const headers = ['Postern-Target', target];

createServer({ keepAliveTimeout: 75_000 }, (_request, response) => {
  response.writeHead(204, headers).end();
}).listen({ path, writableAll: true }, () => process.stdout.write('listening\n'));
