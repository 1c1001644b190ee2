// An OpenID provider that nobody here wrote, with short lives and a rule many have: a refresh token presented twice kills
// the whole family. node provider.mjs PORT; needs npm oidc-provider 9 in the directory it runs in. What happens to tokens is
// told on standard output, one JSON document a line.
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const account = (id) => ({ accountId: id, claims: () => ({ sub: id, used: 1, total: 2, shared: 0 }) });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'judge', client_secret: 'judges-secret', redirect_uris: ['https://app.example/callback'],
    grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  claims: { openid: ['sub', 'used', 'total', 'shared'] },
  findAccount: (_, id) => account(id),
  pkce: { required: () => false },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  cookies: { keys: ['judge'] },
  ttl: { AccessToken: 3, AuthorizationCode: 60, Grant: 3600, IdToken: 60, Interaction: 600, RefreshToken: 3600, Session: 3600 },
});
const tell = (event, more) => console.log(JSON.stringify({ event, ...more }));
provider.on('grant.success', (ctx) => tell('granted', { type: ctx.oidc.params.grant_type }));
provider.on('grant.error', (ctx, error) => tell('refused', { error: error.error, why: error.error_detail ?? error.error_description }));
provider.on('grant.revoked', () => tell('revoked'));
provider.on('refresh_token.consumed', (token) => tell('consumed', { token: token.jti }));
provider.listen(port, '127.0.0.1', () => tell('ready'));
