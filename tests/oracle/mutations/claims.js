// Claims that are missing, of another type, or not what the API wants (RFC 9068 sections 2.2 and 4).

import { ALGORITHMS } from '../keys.js';
import { STRANGE } from '../tokens.js';

export function spoilClaims({
  add, issuer, audience, now, keys, usualClaims, header, claims, signText, valid, withClaims,
}) {
  for (const alg of ALGORITHMS) add('valid', alg, valid(keys[alg]));
  add('valid', 'claims nobody knows', withClaims({ tenant: { id: 7 }, roles: ['x', 1, null], acr: 'urn:x' }));
  add('valid', 'only the required claims', withClaims({ nbf: undefined, scope: undefined }));

  for (const claim of ['iss', 'aud', 'exp', 'nbf', 'iat', 'sub', 'client_id', 'jti', 'scope', 'groups', 'cnf']) {
    add(claim, 'missing', withClaims({ [claim]: undefined }));
    for (const [name, value] of Object.entries(STRANGE)) add(claim, name, withClaims({ [claim]: value }));
    add(claim, 'list of texts', withClaims({ [claim]: ['x', 'y'] }));
    add(claim, 'name in capitals', withClaims({ [claim]: undefined, [claim.toUpperCase()]: usualClaims[claim] }));
  }
  for (const [name, value] of Object.entries({
    another: 'https://other.example', 'with a slash': `${issuer}/`, 'in capitals': issuer.toUpperCase(),
    'with a port': `${issuer}:443`, 'with http': issuer.replace('https', 'http'), 'with a space': `${issuer} `,
    'with a longer host': `${issuer}.evil.example`, 'as a list': [issuer], 'with a NUL': `${issuer}\0`,
  })) add('iss', name, withClaims({ iss: value }));
  for (const [name, value] of Object.entries({
    another: 'https://other.example', 'with a slash': `${audience}/`, 'in capitals': audience.toUpperCase(),
    'as a list': [audience], 'list with another first': ['https://other.example', audience],
    'list of others': ['x', 'y'], 'list with a number': [audience, 7], 'list with null': [null, audience],
    'list in a list': [[audience]], 'two in one text': `${audience} x`, 'text that begins so': `${audience}.evil`,
    'empty text in the list': ['', audience], 'same twice': [audience, audience],
  })) add('aud', name, withClaims({ aud: value }));
  const times = {
    'now': now, 'just within the tolerance': now - 4, 'a fraction within the tolerance': now - 4.5,
    'just at the tolerance': now - 5, 'just past the tolerance': now - 6, 'in the future': now + 3600,
    'just ahead within the tolerance': now + 4, 'ahead at the tolerance': now + 5,
    'a fraction ahead of the tolerance': now + 5.5, 'just ahead of the tolerance': now + 6,
    'as a text': String(now), negative: -1, 'far in the past': 1, 'in milliseconds': now * 1000, 'enormous': 1e300,
    'an ISO date': '2030-01-01T00:00:00Z',
  };
  for (const claim of ['exp', 'nbf', 'iat']) {
    for (const [name, value] of Object.entries(times)) add(claim, name, withClaims({ [claim]: value }));
    for (const [name, number] of [['too large for a number', '1e400'], ['with an exponent', '1.8e9'],
      ['negative zero', '-0'], ['with a plus sign', '+1800000000'], ['hexadecimal', '0x7fffffff'], ['NaN', 'NaN']]) {
      const body = claims({ [claim]: 'HERE' }).replace('"HERE"', number);
      add(claim, name, signText(header(), body));
    }
  }
  for (const claim of ['sub', 'client_id', 'jti']) {
    add(claim, 'a space', withClaims({ [claim]: ' ' }));
    add(claim, 'not ASCII', withClaims({ [claim]: 'jemand-ü-😀' }));
    add(claim, 'control characters', withClaims({ [claim]: 'a\0b\r\n' }));
    add(claim, 'very long', withClaims({ [claim]: 'x'.repeat(4000) }));
  }
  add('scope', 'many spaces', withClaims({ scope: '  read   write ' }));
  add('scope', 'mixed list', withClaims({ scope: ['read', 7] }));
  add('groups', 'mixed list', withClaims({ groups: ['staff', 7] }));
  add('groups', 'as a text', withClaims({ groups: 'staff' }));
  add('cnf', 'key of DPoP', withClaims({ cnf: { jkt: 'x'.repeat(43) } }));
  add('cnf', 'certificate', withClaims({ cnf: { 'x5t#S256': 'x'.repeat(43) } }));
  add('cnf', 'both', withClaims({ cnf: { jkt: 'x'.repeat(43), 'x5t#S256': 'x'.repeat(43) } }));
  add('cnf', 'method nobody knows', withClaims({ cnf: { 'new-method': 'x' } }));
  add('cnf', 'key of DPoP that is null', withClaims({ cnf: { jkt: null } }));
}
