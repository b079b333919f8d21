// A tool server (Model Context Protocol) that gives an assistant links to the files of its user. Each link opens once,
// within ten minutes, and all of them end with the conversation. `mayRead` is your rule.
import { randomUUID } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { createClient } from 'postern/client';
import { z } from 'zod';
import { mayRead } from './rules.mjs';

const { POSTERN_API, POSTERN_API_KEY, USER_ID } = process.env;
const postern = createClient({ url: POSTERN_API, key: POSTERN_API_KEY });
const conversation = { subject: `assistant of ${USER_ID}: ${randomUUID()}` };
const server = new McpServer({ name: 'files', version: '1.0.0' });

const text = (value, isError = false) => ({ content: [{ type: 'text', text: value }], isError });

server.registerTool(
  'link_to_file',
  {
    description: 'Returns a link to a file, and its ID. Only one program can open the link, within ten minutes.',
    inputSchema: { name: z.string() },
  },
  async ({ name }) => {
    if (!(await mayRead(USER_ID, name))) return text('The user has no file with this name.', true);
    const limits = { expires_in: 600, max_uses: 1, resume_for: 60 };
    const { url, id } = await postern.issue({ path: `/download/${name}`, ...conversation, ...limits });
    return text(JSON.stringify({ url, id }));
  },
);

server.registerTool(
  'was_file_sent',
  {
    description: 'Says whether the whole file of a link was sent.',
    inputSchema: { id: z.string() },
  },
  async ({ id }) => {
    const { subject, delivered } = await postern.show(id);
    if (subject !== conversation.subject) return text('There is no such link.', true);
    return text(delivered?.whole ? 'yes' : 'no');
  },
);

// The assistant closes the input at the end of the conversation.
process.stdin.once('end', async () => {
  await postern.revokeSubject(conversation.subject);
  process.exit();
});
await server.connect(new StdioServerTransport());
