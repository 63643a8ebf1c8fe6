// The people who sign in to the app of the solar system example. Each may hold the scopes that
// clients.json gives to the client of the same name, so that there is one table to read and to edit.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const NAMES = ['silver', 'gold'];

/** The users, each with a password that is made now and known only to who reads the ready line. */
export function makeUsers(scopesOf) {
  return NAMES.map((name) => ({
    name,
    // Not the bare name: a client has that, and the `sub` of a user must never be taken for the `sub`
    // of a client (RFC 9068 section 5).
    sub: `user-${name}`,
    password: randomBytes(9).toString('base64url'),
    scopes: scopesOf[name],
  }));
}

/** The user with that name and password, or undefined. */
export function findUser(users, name, password) {
  return users.find((user) => user.name === name && same(user.password, password));
}

function same(one, other) {
  return timingSafeEqual(digest(one), digest(other));
}

function digest(text) {
  return createHash('sha256').update(text).digest();
}
