// js_content of njs, which cannot ask Redis: tokens are files, and a shared dictionary has their paths for two seconds.
// biome-ignore lint/style/useNodejsImportProtocol: njs has no other name
import fs from 'fs';

function gate(r) {
  const token = r.args.token || '';
  if (!/^[\w-]+$/.test(token)) return r.return(401);
  const tokens = ngx.shared.tokens;
  let path = tokens.get(token);
  if (path === undefined) {
    try {
      path = fs.readFileSync(`${r.variables.bench_tokens}/${token}`, 'utf8');
    } catch (_) {
      return r.return(401);
    }
    tokens.set(token, path);
  }
  if (path !== r.uri) return r.return(403);
  r.internalRedirect(path.replace('/download/', '/protected/'));
}

export default { gate };
