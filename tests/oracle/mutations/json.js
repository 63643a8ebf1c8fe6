// JSON that two readers may read differently, or not at all (RFC 8259).

export function spoilJson({ add, issuer, now, keys, usualClaims, usualHeader, header, claims, signText }) {
  const twice = (text, member) => text.replace(/}$/, `,${member}}`);
  for (const [name, value] of Object.entries({ ...usualClaims, unknown: 1 })) {
    const good = JSON.stringify(value);
    const bad = typeof value === 'number' ? String(now - 9999) : '"wrong"';
    const once = name === 'unknown' ? claims({ unknown: 1 }) : claims();
    add('duplicate members', `${name}: same`, signText(header(), twice(once, `"${name}":${good}`)));
    const wrong = claims({ [name]: JSON.parse(bad) });
    add('duplicate members', `${name}: wrong first`, signText(header(), twice(wrong, `"${name}":${good}`)));
    add('duplicate members', `${name}: wrong last`, signText(header(), twice(once, `"${name}":${bad}`)));
  }
  for (const [name, value] of Object.entries(usualHeader(keys.ES256))) {
    const good = `"${name}":"${value}"`;
    const wrong = header({ [name]: 'none' });
    add('duplicate members', `header ${name}: same`, signText(twice(header(), good), claims()));
    add('duplicate members', `header ${name}: wrong first`, signText(twice(wrong, good), claims()));
    add('duplicate members', `header ${name}: wrong last`, signText(twice(header(), `"${name}":"none"`), claims()));
  }
  add('duplicate members', 'written with an escape', signText(header(), twice(claims(), `"\\u0069ss":"${issuer}"`)));
  add('duplicate members', 'deep inside', signText(header(), twice(claims(), '"x":{"y":1,"y":2}')));

  const nested = (depth) => JSON.parse('['.repeat(depth) + ']'.repeat(depth));
  for (const [name, head, body] of [
    ['claims: text', header(), '"text"'], ['claims: list', header(), `[${claims()}]`],
    ['claims: null', header(), 'null'],
    ['claims: nothing', header(), ''], ['claims: cut off', header(), claims().slice(0, -1)],
    ['claims: comma at the end', header(), claims().replace(/}$/, ',}')],
    ['claims: something after it', header(), `${claims()}x`], ['claims: twice', header(), claims() + claims()],
    ['claims: comment', header(), `${claims()}/* */`],
    ['claims: single quotes', header(), claims().replaceAll('"', "'")],
    ['claims: white space around it', header(), ` \t\r\n${claims()}\n`],
    ['claims: NUL after it', header(), `${claims()}\0`],
    ['claims: byte order mark', header(), `\uFEFF${claims()}`],
    ['claims: form feed before it', header(), `\f${claims()}`],
    ['claims: UTF-16', header(), Buffer.from(claims(), 'utf16le')],
    ['claims: not UTF-8', header(), Buffer.from(claims({ x: 'HERE' }).replace('HERE', '\xff\xfe'), 'latin1')],
    ['claims: half a surrogate pair', header(), claims({ x: 'HERE' }).replace('HERE', '\\ud800')],
    ['claims: bare control character', header(), claims({ x: 'HERE' }).replace('HERE', '\u0001')],
    ['claims: __proto__', header(), twice(claims({ iss: undefined }), `"__proto__":{"iss":"${issuer}"}`)],
    ['claims: number with a leading zero', header(), twice(claims(), '"x":01')],
    ['claims: very many digits', header(), twice(claims(), `"x":${'9'.repeat(400)}`)],
    ['claims: nested 10 deep', header(), claims({ x: nested(10) })],
    ['claims: nested 40 deep', header(), claims({ x: nested(40) })],
    ['claims: 1000 values', header(), claims({ x: Array(1000).fill(0) })],
    ['claims: 3000 values', header(), claims({ x: Array(3000).fill(0) })],
    ['claims: 20 KiB', header(), claims({ x: 'x'.repeat(20_000) })],
    ['header: text', '"text"', claims()], ['header: list', `[${header()}]`, claims()],
    ['header: null', 'null', claims()],
    ['header: nothing', '', claims()], ['header: cut off', header().slice(0, -1), claims()],
    ['header: something after it', `${header()}x`, claims()],
    ['header: white space around it', ` ${header()}\n`, claims()],
    ['header: byte order mark', `\uFEFF${header()}`, claims()],
    ['header: not UTF-8', Buffer.from(header({ x: 'HERE' }).replace('HERE', '\xff\xfe'), 'latin1'), claims()],
    ['header: __proto__', `{"__proto__":${header()}}`, claims()],
    ['header: nested 20 deep', header({ x: nested(20) }), claims()],
    ['header: 100 values', header({ x: Array(100).fill(0) }), claims()],
  ]) add('JSON', name, signText(head, body));
}
