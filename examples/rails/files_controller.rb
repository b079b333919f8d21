# Redirects a user to a file. In config/routes.rb, without the pattern, a name ends at its first dot:
#   get "/files/:name", to: "files#show", name: /[^\/]+/
require "net/http"

class FilesController < ApplicationController
  before_action :authenticate_user!

  def show
    name = current_user.documents.find_by!(name: params[:name]).name
    url = issue(path: "/download/#{name}", subject: current_user.id.to_s)
    if url.nil?
      response.headers["Retry-After"] = "5"
      return head :service_unavailable
    end
    response.headers["Referrer-Policy"] = "no-referrer"
    no_store
    redirect_to url, status: :see_other, allow_other_host: true
  end

  private

  def issue(token)
    api = URI("#{ENV.fetch("POSTERN_API")}/tokens")
    options = { use_ssl: api.scheme == "https", open_timeout: 5, read_timeout: 5 }
    headers = { "Authorization" => "Bearer #{ENV.fetch("POSTERN_API_KEY")}", "Content-Type" => "application/json" }
    answer = Net::HTTP.start(api.hostname, api.port, **options) { |http| http.post(api.path, token.to_json, headers) }
    answer.value # raises unless the status is 2xx
    JSON.parse(answer.body)["url"]
  rescue StandardError => error
    logger.error("Postern issued no token: #{error.message}")
    nil
  end
end
