// Storage for oidc-provider that forgets nothing but what is over. Its own default keeps a thousand entries and
// drops the oldest, so that after some hundred logins of a load test refresh tokens were gone.

const entries = new Map();

export class MapAdapter {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload, expiresInS) {
    const expiresAt = expiresInS ? Date.now() + expiresInS * 1000 : Infinity;
    entries.set(this.#key(id), { model: this.model, payload, expiresAt });
  }

  async find(id) {
    const entry = entries.get(this.#key(id));
    if (entry === undefined || entry.expiresAt > Date.now()) {
      return entry?.payload;
    }
    entries.delete(this.#key(id));
    return undefined;
  }

  async findByUid(uid) {
    return this.#search((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.#search((payload) => payload.userCode === userCode);
  }

  async consume(id) {
    const payload = await this.find(id);
    if (payload !== undefined) {
      payload.consumed = Math.floor(Date.now() / 1000);
    }
  }

  async destroy(id) {
    entries.delete(this.#key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of entries) {
      if (payload.grantId === grantId) {
        entries.delete(key);
      }
    }
  }

  // A walk over all entries: only sign-out and the device pages come here.
  #search(matches) {
    for (const { model, payload, expiresAt } of entries.values()) {
      if (model === this.model && expiresAt > Date.now() && matches(payload)) {
        return payload;
      }
    }
    return undefined;
  }

  #key(id) {
    return `${this.model}:${id}`;
  }
}
