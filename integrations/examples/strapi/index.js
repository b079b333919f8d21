// An upload provider of Strapi 5. It keeps files in a folder that nginx serves behind Postern. Responses have links, so
// everyone who may see an entry may open its files. Copy this folder to providers/postern/, run
// `npm install postern ./providers/postern`, and set in config/plugins.js:
//
//   upload: { config: { provider: 'strapi-provider-upload-postern', providerOptions: {
//     folder: '/srv/files', mount: '/download/', api: env('POSTERN_API'), key: env('POSTERN_API_KEY') } } },
'use strict';

const { createWriteStream } = require('node:fs');
const { rm } = require('node:fs/promises');
const { join } = require('node:path');
const { pipeline } = require('node:stream/promises');
const { createClient } = require('postern/client');

module.exports = {
  init({ folder, mount, api, key, expires_in = 600 }) {
    // All links of a response are one request.
    const postern = createClient({ url: api, key, timeoutMs: 5000, batch: true });
    const nameOf = ({ hash, ext }) => hash + (ext ?? '');
    return {
      async uploadStream(file) {
        await pipeline(file.stream, createWriteStream(join(folder, nameOf(file))));
        file.url = mount + nameOf(file);
      },
      async delete(file) {
        await rm(join(folder, nameOf(file)), { force: true });
      },
      isPrivate: () => true,
      async getSignedUrl(file) {
        try {
          return await postern.issue({ path: mount + nameOf(file), expires_in });
        } catch (error) {
          // A URL without a token opens nothing, and the rest of the response is right.
          strapi.log.error(`Postern issued no token: ${error.message}`);
          return { url: file.url };
        }
      },
    };
  },
};
