(ns shop.cart
  "A cart of a shop."
  (:require [clojure.string :as str]
            [clojure.set :refer [union difference]]
            [clojure.java.io :as io])
  (:import (java.util UUID)
           (java.io File IOException)))

(set! *warn-on-reflection* true)

(defrecord Item [name price ^long count])

(defprotocol Priced
  (price-of [this] "What it costs.")
  (discount [this percent]))

(extend-type Item
  Priced
  (price-of [{:keys [price count]}] (* price count))
  (discount [this percent]
    (update this :price * (- 1 (/ percent 100.0)))))

(def ^:private carts (atom {}))

(defn add!
  "Puts an item into the cart with an id."
  ([id item] (add! id item nil))
  ([id item {:keys [on-add] :or {on-add identity}}]
   (swap! carts update id (fnil conj []) item)
   (on-add item)
   nil))

(defn total [id]
  (->> (get @carts id)
       (remove :free?)
       (map price-of)
       (reduce + 0)))


(defn word-counts [^String path]
  (with-open [reader (io/reader path)]
    (->> (line-seq reader)
         (mapcat #(str/split (str/lower-case %) #"[^a-z]+"))
         (filter seq)
         frequencies
         (sort-by val >)
         (take 10)
         doall)))

(defn fib
  ([] (fib 0N 1N))
  ([a b] (lazy-seq (cons a (fib b (+ a b))))))

(defn flatten-map [m]
  (into {}
        (for [[k v] m
              :let [path (if (map? v) (flatten-map v) {nil v})]
              [k2 v2] path]
          [(if k2 (keyword (str (name k) "." (name k2))) k) v2])))

(defmacro unless [condition & body]
  `(if (not ~condition)
     (do ~@body)))

(defn prime? [n]
  (and (> n 1)
       (not-any? #(zero? (mod n %)) (range 2 (inc (int (Math/sqrt n)))))))


(defmulti area :shape)
(defmethod area :circle [{:keys [r]}] (* Math/PI r r))
(defmethod area :square [{:keys [a]}] (* a a))
(defmethod area :default [shape]
  (throw (ex-info "no such shape" {:shape shape})))

(defn fetch [url & {:keys [timeout] :or {timeout 1000}}]
  (let [result (promise)]
    (future
      (try
        (deliver result (slurp url))
        (catch IOException e
          (deliver result {:error (.getMessage e)}))
        (finally (println "done"))))
    (deref result timeout ::timeout)))

(defn search [tree x]
  (loop [{:keys [value left right] :as node} tree
         depth 0]
    (cond
      (nil? node) nil
      (= x value) depth
      (< x value) (recur left (inc depth))
      :else (recur right (inc depth)))))


(deftest cart-test
  (testing "adds up prices"
    (let [id (str (UUID/randomUUID))]
      (add! id (->Item "tea" 3 2))
      (is (= 6 (total id)))
      (is (thrown? clojure.lang.ExceptionInfo (area {:shape :none})))))
  (doseq [[n expected] [[2 true] [4 false] [7 true]]]
    (is (= expected (prime? n)) (str n))))

(defn -main [& args]
  (let [[path & _] args
        counts (if (and path (.exists (File. ^String path)))
                 (word-counts path)
                 [])]
    (doseq [[word n] counts]
      (printf "%s\t%d%n" word n))
    (when-not (seq counts)
      (binding [*out* *err*]
        (println "no words"))
      (System/exit 1))))
