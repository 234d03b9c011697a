// Asks the browser for a passkey, and sends what it says with the form around (WebAuthn Level 3, section 5.1). Nothing is
// decided here: the server checks all of it.
'use strict';

const octets = (text) => {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
};

const written = (buffer) => {
  const plain = Array.from(new Uint8Array(buffer), (octet) => String.fromCharCode(octet));
  return btoa(plain.join('')).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
};

const several = (text) => text.split(' ').filter((part) => part !== '');

// How long a browser waits for the device, in milliseconds.
const PATIENCE = 5 * 60 * 1000;

// A new passkey, as the form sends it.
const make = async (asked) => {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: octets(asked.challenge),
      rp: { id: asked.site, name: asked.site },
      user: { id: octets(asked.user), name: asked.identifier, displayName: asked.identifier },
      pubKeyCredParams: several(asked.algorithms).map((alg) => ({ type: 'public-key', alg: Number(alg) })),
      excludeCredentials: several(asked.present).map((id) => ({ type: 'public-key', id: octets(id) })),
      authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'preferred' },
      attestation: 'none',
      timeout: PATIENCE,
    },
  });
  return { client_data: made.response.clientDataJSON, object: made.response.attestationObject };
};

// One that is there: whichever the device has for this site.
const use = async (asked) => {
  const used = await navigator.credentials.get({
    publicKey: {
      challenge: octets(asked.challenge),
      rpId: asked.site,
      userVerification: 'preferred',
      timeout: PATIENCE,
    },
  });
  return {
    credential: used.rawId,
    user: used.response.userHandle ?? new ArrayBuffer(0),
    client_data: used.response.clientDataJSON,
    authenticator_data: used.response.authenticatorData,
    signature: used.response.signature,
  };
};

const ask = async (part, button) => {
  const form = button.form;
  const note = (name) => part.querySelector(`[data-note=${name}]`);
  note('failed').hidden = true;
  note('there').hidden = true;
  if (!form.reportValidity()) {
    return;
  }
  button.disabled = true;
  try {
    const said = await (part.dataset.ask === 'make' ? make : use)(part.dataset);
    for (const [name, value] of Object.entries(said)) {
      form.elements.namedItem(name).value = written(value);
    }
    form.action = part.dataset.to;
    form.submit();
  } catch (error) {
    console.warn(error);
    note(error.name === 'InvalidStateError' ? 'there' : 'failed').hidden = false;
  } finally {
    button.disabled = false;
  }
};

for (const part of document.querySelectorAll('[data-ask]')) {
  const button = part.querySelector('button');
  if (window.PublicKeyCredential === undefined) {
    part.querySelector('[data-note=failed]').hidden = false;
    button.disabled = true;
  }
  button.addEventListener('click', () => ask(part, button));
  if (part.dataset.ask === 'make') {
    // The form is for this alone: the enter key is the button.
    button.form.addEventListener('submit', (event) => {
      event.preventDefault();
      ask(part, button);
    });
  }
  part.hidden = false;
}
