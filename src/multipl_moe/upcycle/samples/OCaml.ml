open Printf
module StringMap = Map.Make (String)

type shape =
  | Circle of float
  | Square of { side : float; name : string option }
  | Group of shape list

type 'a tree = Leaf | Node of 'a tree * 'a * 'a tree

exception Not_known of string

let pi = 4.0 *. atan 1.0

let rec area = function
  | Circle r -> pi *. r *. r
  | Square { side; _ } -> side ** 2.
  | Group shapes -> List.fold_left (fun sum s -> sum +. area s) 0. shapes

let rec insert cmp x = function
  | Leaf -> Node (Leaf, x, Leaf)
  | Node (l, y, r) as t ->
    let c = cmp x y in
    if c = 0 then t
    else if c < 0 then Node (insert cmp x l, y, r)
    else Node (l, y, insert cmp x r)

let to_list t =
  let rec go acc = function
    | Leaf -> acc
    | Node (l, x, r) -> go (x :: go acc r) l
  in
  go [] t


module type STORE = sig
  type t
  type key = string
  val create : ?size:int -> unit -> t
  val find_opt : t -> key -> int option
  val add : t -> key -> int -> unit
end

module Store : STORE = struct
  type key = string
  type t = (key, int) Hashtbl.t

  let create ?(size = 16) () = Hashtbl.create size
  let find_opt t k = Hashtbl.find_opt t k

  let add t k v =
    match find_opt t k with
    | Some old when old >= v -> ()
    | Some _ | None -> Hashtbl.replace t k v
end

class counter init = object (self)
  val mutable n = init
  method get = n
  method step by = n <- n + by; self
end


(* Words of a file, the most frequent first. *)
let count_words path =
  let ic = open_in path in
  let rec loop counts =
    match input_line ic with
    | exception End_of_file -> close_in ic; counts
    | line ->
      String.split_on_char ' ' line
      |> List.filter (fun w -> w <> "")
      |> List.fold_left
           (fun m w ->
             StringMap.update w
               (function None -> Some 1 | Some n -> Some (n + 1))
               m)
           counts
      |> loop
  in
  StringMap.bindings (loop StringMap.empty)
  |> List.sort (fun (_, a) (_, b) -> compare b a)

let is_prime n =
  let rec check d = d * d > n || (n mod d <> 0 && check (d + 1)) in
  n > 1 && check 2

let ( let* ) = Result.bind

let divide a b = if b = 0 then Error "zero" else Ok (a / b)

let average ~total ~count =
  let* mean = divide total count in
  Ok (float_of_int mean)


let () =
  let verbose = ref false and files = ref [] in
  Arg.parse
    [ ("-v", Arg.Set verbose, " say more") ]
    (fun f -> files := f :: !files)
    "words FILE...";
  List.iteri
    (fun i path ->
      try
        if !verbose then eprintf "%d: %s\n%!" i path;
        List.iter (fun (w, n) -> printf "%s\t%d\n" w n) (count_words path)
      with
      | Sys_error message -> prerr_endline message
      | Not_known what -> failwith ("not known: " ^ what))
    (List.rev !files);
  let a = Array.init 10 (fun i -> i * i) in
  for i = 0 to Array.length a - 1 do
    if a.(i) land 1 = 0 then a.(i) <- a.(i) + 1
  done;
  let sum = Array.fold_left ( + ) 0 a in
  while sum > 1000 do ignore (raise Exit) done;
  assert (Array.exists is_prime a && not (is_prime 9));
  print_endline (string_of_int sum)
