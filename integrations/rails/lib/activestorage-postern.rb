# frozen_string_literal: true

require "postern/current"
require "postern/railtie"
