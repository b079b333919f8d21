# frozen_string_literal: true

require "erb"
require "json"
require "jwt"
require "net/http"
require "securerandom"

module Postern
  # Makes URLs with tokens: signed by this application, or issued by Postern.
  class Tokens
    TIMEOUT_SECONDS = 5

    attr_reader :issuer, :audience

    def initialize(tokens: "signed", issuer: nil, audience: nil, key_file: nil, api: "http://127.0.0.1:7301", api_key: nil)
      required = { "signed" => { issuer:, audience:, key_file: }, "issued" => { api:, api_key: } }
      settings = required.fetch(tokens) { raise ArgumentError, "tokens: expected signed or issued, got #{tokens.inspect}" }
      missing = settings.select { |_, value| value.blank? }.keys
      raise ArgumentError, "tokens: #{tokens} needs #{missing.to_sentence}" if missing.any?

      @tokens = tokens
      @issuer = issuer
      @audience = audience
      @key_file = key_file
      @api = api
      @api_key = api_key
    end

    # The URL of a file with a new token. The grant has fields of `POST /tokens`; its path is not percent-encoded.
    # A new requester may start within `expires_in` seconds.
    def url(grant, expires_in)
      return issue(grant, expires_in) if @tokens == "issued"

      path = grant.fetch(:path).split("/", -1).map { |segment| ERB::Util.url_encode(segment) }.join("/")
      "#{path}?token=#{sign(grant, expires_in)}"
    end

    # The key with its ID, a hash of its public half (RFC 7638).
    def jwk
      @jwk ||= JWT::JWK.new(key, { use: "sig", alg: "ES256" }, { kid_generator: JWT::JWK::Thumbprint })
    end

    # The default would show the API key.
    def inspect
      "#<#{self.class} #{@tokens}>"
    end

    private
      def key
        @key ||= OpenSSL::PKey.read(File.read(@key_file)).tap do |key|
          curve = key.group.curve_name if key.is_a?(OpenSSL::PKey::EC) && key.private?
          raise OpenSSL::PKey::PKeyError, "another key" unless curve == "prime256v1"
        end
      rescue SystemCallError, OpenSSL::PKey::PKeyError
        raise ArgumentError, "key_file: expected a private P-256 key in PEM at #{@key_file}. " \
          "Create one: openssl ecparam -name prime256v1 -genkey -noout -out #{@key_file}"
      end

      def sign(grant, expires_in)
        now = Time.now.to_i
        resume_for = grant[:resume_for].to_i
        claims = grant.except(:subject).merge(
          iss: issuer, aud: audience, sub: grant[:subject], jti: SecureRandom.hex(16),
          iat: now, exp: now + expires_in + resume_for,
          # Until when a new requester can start. The others can resume until the token expires.
          start_by: (now + expires_in if resume_for.positive?)
        )
        # Without this type, any JWT that this key signs for the same audience would be a download token.
        JWT.encode(claims.compact, jwk.signing_key, "ES256", { kid: jwk.kid, typ: "postern+jwt" })
      end

      def issue(grant, expires_in)
        uri = URI("#{@api}/tokens")
        headers = { "Authorization" => "Bearer #{@api_key}", "Content-Type" => "application/json" }
        timeouts = { open_timeout: TIMEOUT_SECONDS, read_timeout: TIMEOUT_SECONDS }
        # Without a proxy, which would get the key.
        response = Net::HTTP.start(uri.host, uri.port, nil, use_ssl: uri.scheme == "https", **timeouts) do |http|
          http.post(uri.path, JSON.generate(grant.merge(expires_in:)), headers)
        end
        raise "Postern issued no token: #{response.code} #{response.body}" unless response.code == "201"

        JSON.parse(response.body).fetch("url")
      end
  end
end
