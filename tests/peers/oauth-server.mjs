// A certified OAuth server on loopback, as strict as it comes: refresh tokens rotate, and one that is spent twice ends
// the whole grant. It prints its address, and ends with its standard input.
//
// Beside what the standards say it answers to its test: `GET /_test/counts` tells what the server itself reported,
// `POST /_test/clock` moves its clock forward by `seconds`.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const [redirect, client, secret] = process.argv.slice(2);

let ahead = 0;
const now = Date.now;
Date.now = () => now() + ahead;

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: client,
    client_secret: secret,
    redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  claims: { openid: ['sub'], profile: ['name'] },
  conformIdTokenClaims: false,
  cookies: { keys: [randomUUID()] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Seller ${id}` }) }),
  issueRefreshToken: () => true,
  pkce: { required: () => false },
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 86400 * 365, RefreshToken: 86400 * 30, Session: 86400, Interaction: 600, IdToken: 300 },
});

const counts = { refreshed: 0, refused: [], revoked: 0 };
provider.on('grant.success', (ctx) => { if (ctx.oidc.params.grant_type === 'refresh_token') counts.refreshed += 1; });
provider.on('grant.error', (_, error) => counts.refused.push(`${error.error}: ${error.error_detail ?? error.error_description}`));
provider.on('grant.revoked', () => { counts.revoked += 1; });

const answer = provider.callback();
server.on('request', (request, response) => {
  const asked = new URL(request.url, issuer);
  if (asked.pathname === '/_test/clock') ahead += Number(asked.searchParams.get('seconds')) * 1000;
  else if (asked.pathname !== '/_test/counts') return answer(request, response);
  return response.setHeader('content-type', 'application/json').end(JSON.stringify(counts));
});

process.stdin.resume().on('end', () => process.exit(0));
console.log(`listening ${issuer}`);
