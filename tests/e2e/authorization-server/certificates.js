// A certificate authority of its own, made at start: one certificate for the server, two for clients.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function makeCertificates(directory) {
  const at = (name) => join(directory, name);
  const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];

  const ca = at('ca.pem');
  openssl('req', '-x509', ...newKey, '-keyout', at('ca.key'), '-out', ca, '-days', '2', '-subj', '/CN=Test CA');

  const issue = (name, extensions) => {
    const files = { certificate: at(`${name}.pem`), key: at(`${name}.key`) };
    writeFileSync(at(`${name}.ext`), extensions);
    openssl('req', ...newKey, '-keyout', files.key, '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
    openssl('x509', '-req', '-in', at(`${name}.csr`), '-CA', ca, '-CAkey', at('ca.key'), '-CAcreateserial',
      '-days', '2', '-extfile', at(`${name}.ext`), '-out', files.certificate);
    return files;
  };
  return {
    ca,
    server: issue('server', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'),
    clients: {
      usual: issue('usual', 'extendedKeyUsage=clientAuth\n'),
      other: issue('other', 'extendedKeyUsage=clientAuth\n'),
    },
  };
}
