# frozen_string_literal: true

require "postern/tokens"

module Postern
  # The route of `redirect_to_file` calls it.
  class RedirectController < ActionController::Base
    skip_forgery_protection raise: false

    # Everyone who has the link can open the file, so no cache and no other site may get it.
    before_action { no_store }
    before_action { response.headers["Referrer-Policy"] = "no-referrer" }

    def show
      may_read, login, options = settings
      return head(:method_not_allowed, allow: "GET, HEAD") unless request.get? || request.head?

      blob = ActiveStorage::Blob.find_signed(params[:signed_id], purpose: RedirectToFile::PURPOSE)
      return head(:not_found) unless blob
      return redirect_to blob.url(closed_if_down: false, **options), status: :see_other, allow_other_host: true if allowed?(may_read, blob)
      return head(:not_found) if Current.user || login.nil?

      # Two slashes at the start would be the address of another host.
      back = { next: request.path.sub(%r{\A/+}, "/") }.to_query
      redirect_to "#{login}#{login.include?("?") ? "&" : "?"}#{back}", status: :see_other, allow_other_host: true
    rescue Error => error
      # It says which mounts exist.
      logger&.error("Postern issued no token: #{error.message}")
      return head(:not_found) if error.message.include?('"#/path"')

      head :service_unavailable, retry_after: 5
    end

    private
      def allowed?(may_read, blob)
        may = may_read.call(Current.user, blob)
        # An object that was not meant as an answer must not open a file.
        [true, false].include?(may) ? may : raise(TypeError, "may_read: expected true or false, got #{may.class}")
      rescue ActiveRecord::RecordNotFound
        false
      end
  end
end
