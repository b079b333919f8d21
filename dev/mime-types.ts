/**
 * The same types on every machine: the lists in packages of nginx differ. Written as mime.types next
 * to the configuration, so that `include mime.types;` finds it too.
 */
export const mimeTypes = `types {
    text/html                      html htm;
    text/css                       css;
    text/plain                     txt log;
    text/csv                       csv;
    text/vtt                       vtt;
    text/xml                       xml;
    text/javascript                js mjs;
    application/json               json;
    application/pdf                pdf;
    application/wasm               wasm;
    application/zip                zip;
    application/gzip               gz tgz;
    application/dash+xml           mpd;
    application/vnd.apple.mpegurl  m3u8;
    application/octet-stream       bin iso img deb dmg;
    image/png                      png;
    image/jpeg                     jpg jpeg;
    image/gif                      gif;
    image/webp                     webp;
    image/avif                     avif;
    image/svg+xml                  svg;
    image/x-icon                   ico;
    font/woff2                     woff2;
    audio/mpeg                     mp3;
    audio/ogg                      ogg;
    audio/mp4                      m4a;
    video/mp4                      mp4 m4s;
    video/mp2t                     ts;
    video/webm                     webm;
    video/x-flv                    flv;
}
`;
