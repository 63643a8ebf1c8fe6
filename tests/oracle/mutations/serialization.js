// Other serializations, and what stands around the token (RFC 7515 section 7, RFC 7519 section 1).

import { encode } from '../keys.js';

export function spoilSerialization({ add, header, claims, signParts, signText, valid, withSignature }) {
  {
    const [head, body, last] = valid().split('.');
    const flat = JSON.stringify({ protected: head, payload: body, signature: last });
    const general = JSON.stringify({ payload: body, signatures: [{ protected: head, signature: last }] });
    for (const [name, token] of Object.entries({
      'flattened JSON': flat, 'general JSON': general, 'JSON, encoded': encode(flat),
      'JSON in three parts': `${flat}..`,
      'one part': head, 'two parts': `${head}.${body}`, 'four parts': `${valid()}.x`,
      'four parts, last empty': `${valid()}.`,
      'five parts': `${head}.${body}.${last}.x.y`, 'empty part first': `.${valid()}`,
      'empty header': `.${body}.${last}`,
      'only dots': '..', nothing: '', 'two tokens': `${valid()},${valid()}`, 'in quotes': `"${valid()}"`,
      'with its scheme': `Bearer ${valid()}`,
      'other separator': valid().replaceAll('.', ':'),
      'token in a token': signParts(`${encode(header({ cty: 'JWT' }))}.${encode(valid())}`),
      'JWE header': signText(header({ alg: 'RSA-OAEP', enc: 'A256GCM' }), claims()),
    })) add('serialization', name, token);
  }
  for (const [name, space] of Object.entries({
    space: ' ', tab: '\t', 'line break': '\n', 'carriage return': '\r\n', 'form feed': '\f', 'vertical tab': '\v',
    NUL: '\0', 'no-break space': '\u00a0', 'em space': '\u2003', 'zero-width space': '\u200b',
    'byte order mark': '\ufeff',
  })) {
    add('white space', `${name} before`, `${space}${valid()}`);
    add('white space', `${name} after`, `${valid()}${space}`);
    add('white space', `${name} before a dot`, valid().replace('.', `${space}.`));
    add('white space', `${name} after a dot`, valid().replace('.', `.${space}`));
    const inside = withSignature(valid(), (text) => text.slice(0, 8) + space + text.slice(8));
    add('white space', `${name} in the signature`, inside);
  }
}
